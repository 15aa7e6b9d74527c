"""Annotate a manifest every night in three steps: plan, annotate, and retry the transient failures.

For Airflow 3: copy this file into the DAG folder, and install facebeam in its own environment, /opt/facebeam.
"""

from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

FACEBEAM = "/opt/facebeam/bin/facebeam"
MANIFEST = "--manifest s3://BUCKET/photos.csv"
PLACE = "--source api --output s3://BUCKET/out --rate 20 --token-file /etc/facebeam/token"

with DAG(
    "facebeam_nightly",
    schedule="0 22 * * *",  # UTC; but --stop-at 06:00 below is local time of Airflow's worker
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    # Each run has its own --rate: two runs at a time would send twice as many calls per second.
    max_active_runs=1,
    # No retry may start after 06:00: its --stop-at would mean 06:00 of the next day.
    dagrun_timeout=timedelta(hours=9),
    default_args={
        # Retries are safe: a second try has the same run id and sends only the images that have no answer in
        # the journal. A run that is already committed does nothing.
        "retries": 2,
        "retry_delay": timedelta(minutes=5),
        # Exit code 3 is "committed with gaps": Airflow shows it as skipped, neither success nor failure.
        "skip_on_exit_code": 3,
        # A step runs after a skipped step, but not after a failed one.
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
        f"--codes retryable {PLACE} --max-duration 30m",
    )
    plan >> annotate >> replay
