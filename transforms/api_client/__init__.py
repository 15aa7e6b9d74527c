"""One call to the web API: exactly the contract's request, and whatever comes back as an answer or a failure.

    ImageRequest --check_fit_to_send--> post --reply--> read_reply --> Answer
                         |               |                  |
                         |               |                  +--> normalise_failure --> Failure
                         |               +--> client_fault ----------------------------> Failure
                         +--> forbidden_address, nothing was sent ---------------------> Failure

No retries and no pacing in here. Source of every rule: the service's contract of `POST /face/analyze`.
"""
