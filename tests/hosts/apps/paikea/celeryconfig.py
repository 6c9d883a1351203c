broker_url = "pyamqp://"
result_backend = "rpc://"
task_serializer = "json"
accept_content = ["json"]
timezone = "Etc/UTC"
enable_utc = True
