"""Annotate a manifest every night: plan, annotate, then the failures that may pass once more.

For Airflow 3; copy it into the DAG folder. facebeam has an environment of its own at /opt/facebeam.
"""

from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

FACEBEAM = "/opt/facebeam/bin/facebeam"
MANIFEST = "--manifest s3://BUCKET/photos.csv"
PLACE = "--source api --output s3://BUCKET/out --rate 20 --token-file /etc/facebeam/token"
WORTH_A_RETRY = "timeout,connection_failed,host_not_found,response_truncated,server_error,busy,upstream_error"

with DAG(
    "facebeam_nightly",
    schedule="0 22 * * *",  # UTC; 06:00 below is what the worker's own clock shows
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    # Each run keeps its own --rate: two at a time would send twice as much.
    max_active_runs=1,
    # Retries too end with the night: to one that begins after 06:00, --stop-at would mean the next morning.
    dagrun_timeout=timedelta(hours=9),
    default_args={
        # Safe, since an answer is in the journal before it moves on: the second try is the same run and sends
        # only what has no answer yet. A run that is committed is not run again.
        "retries": 2,
        "retry_delay": timedelta(minutes=5),
        # 3 is "committed, with gaps": shown as skipped, which is neither success nor failure.
        "skip_on_exit_code": 3,
        # What comes after a skipped step runs; what comes after a failed one does not.
        "trigger_rule": "none_failed",
    },
):
    plan = BashOperator(task_id="plan", bash_command=f"{FACEBEAM} plan {MANIFEST} {PLACE}")
    annotate = BashOperator(
        task_id="annotate",
        bash_command=f"{FACEBEAM} annotate {MANIFEST} {PLACE} --run-id {{{{ ds_nodash }}}} --stop-at 06:00",
    )
    replay = BashOperator(
        task_id="replay",
        bash_command=f"{FACEBEAM} replay --run {{{{ ds_nodash }}}} --run-id {{{{ ds_nodash }}}}-again "
        f"--codes {WORTH_A_RETRY} {PLACE} --max-duration 30m",
    )
    plan >> annotate >> replay
