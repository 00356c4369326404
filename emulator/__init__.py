"""AWS on one machine: runs any SAM application of HTTP API, Lambda, SQS and EventBridge."""
