"""One call to the web API: exactly the contract's request, and whatever comes back as an answer or a failure.

    ImageRequest --post--> reply --read_reply--> Answer
                    |                  |
                    |                  +--> normalise_failure --> Failure
                    +--> client_fault --------------------------> Failure

No retries and no pacing in here: `ApiSource` has them, and looks at each URL first (`check_fit_to_send`).
Source of every rule: the service's contract of `POST /face/analyze`.
"""
