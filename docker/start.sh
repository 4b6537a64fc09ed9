#!/bin/sh
# Uploads a config as the console does, and runs the image with what ECS gives a task.
set -eu
: "${S3_BUCKET:?name the bucket of the scenarios, for example S3_BUCKET=my-bucket make start-docker}"
: "${AWS_ACCESS_KEY_ID:?needed by the container}" "${AWS_SECRET_ACCESS_KEY:?needed by the container}"
TEST_ID=${TEST_ID:-local}
TASK_INDEX=${TASK_INDEX:-0}
export S3_BUCKET TEST_ID TASK_INDEX
aws s3 cp "${CONFIG:-config.json}" "s3://$S3_BUCKET/test-scenarios/$TEST_ID.json"
# Variables without a value are taken from here, and are left out where they are not set.
exec docker run --rm \
  -e S3_BUCKET -e TEST_ID -e TASK_INDEX \
  -e AWS_ACCESS_KEY_ID -e AWS_SECRET_ACCESS_KEY -e AWS_SESSION_TOKEN -e AWS_REGION \
  -e AWS_ENDPOINT_URL_S3 -e HTTPS_PROXY \
  "${IMAGE:-tallyho}"
