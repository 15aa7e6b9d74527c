"""Call the web API: send the request that the contract defines, and read the answer or failure in the reply.

    ImageRequest --post--> reply --read_reply--> Answer
                    |                  |
                    |                  +--> normalise_failure --> Failure
                    +--> client_fault --------------------------> Failure

The client makes single calls. `ApiSource` checks each URL first (`check_fit_to_send`) and paces the calls;
`transforms/sources/retry.py` retries them. Source of every rule: the service's contract of
`POST /face/analyze`.
"""
