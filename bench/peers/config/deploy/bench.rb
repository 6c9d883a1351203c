require "json"
require "erb"

settings = JSON.parse(File.read(ENV.fetch("BENCH")))
settings["servers"].each do |each|
  server each["address"], user: each["user"], port: each["port"], roles: %w[app],
    ssh_options: { keys: [settings["key"]], keys_only: true, user_known_hosts_file: settings["known_hosts"] }
end
