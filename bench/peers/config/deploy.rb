# The site by Capistrano: the same state as the other candidates make. Settings come from the file that BENCH names.
require "digest"
require "erb"
require "json"

settings = JSON.parse(File.read(ENV.fetch("BENCH")))
name, root = settings.values_at("application", "root")
set :application, name
set :repo_url, settings["repo"]
set :branch, ENV.fetch("COMMIT")
set :deploy_to, root
set :keep_releases, 5
set :log_level, :info
set :format, :simpletext
set :run, "#{root}/run"

FILES = {
  "environment" => ["#{root}/environment", "640", name],
  "run" => ["#{root}/run", "755", "root"],
  "web.conf" => ["/etc/supervisor/conf.d/#{name}-web.conf", "644", "root"],
  "worker.conf" => ["/etc/supervisor/conf.d/#{name}-worker.conf", "644", "root"],
  "nginx.conf" => ["/etc/nginx/sites-enabled/#{name}.conf", "644", "root"],
  "cron" => ["/etc/cron.d/#{name}", "644", "root"]
}.freeze

# The addresses of the hosts on which a file has changed.
CHANGED = Queue.new

namespace :site do
  task :environment do
    on roles(:app), in: :parallel do
      environment = "#{root}/envs/#{settings["requirements"]}"
      index = settings["index"].map { |key, value| "#{key}=#{value}" }.join(" ")
      execute "mkdir -p #{release_path} && chown -R #{name}:#{name} #{release_path}"
      unless test("[ -e #{environment}/.complete ]")
        uv = "env #{index} #{settings["uv"]}"
        execute "su -s /bin/sh #{name} -c 'cd #{release_path} && #{uv} venv -q #{environment}" \
          " && #{uv} pip install -q --python #{environment}/bin/python -r requirements.txt'"
        execute "touch #{environment}/.complete"
      end
      execute "ln -sfn #{environment} #{root}/env && ln -sfn . #{release_path}/source"
    end
  end

  task :files do
    on roles(:app), in: :parallel do |host|
      changed = false
      FILES.each do |source, (path, mode, group)|
        text = settings["texts"].fetch(source)
        next if capture("sha256sum #{path} 2>/dev/null || true").start_with?(Digest::SHA256.hexdigest(text))
        upload! StringIO.new(text), "#{path}.new"
        execute "chmod #{mode} #{path}.new && chgrp #{group} #{path}.new && mv #{path}.new #{path}"
        changed = true
      end
      CHANGED << host.hostname if changed
    end
  end

  task :build do
    on roles(:app), in: :parallel do
      %w[collectstatic migrate].each do |command|
        execute "su -s /bin/sh #{name} -c 'cd #{release_path} && #{root}/run python manage.py #{command} --noinput -v 0'"
      end
    end
  end

  task :restart do
    changed = Array.new(CHANGED.size) { CHANGED.pop }
    on roles(:app), in: :parallel do |host|
      if changed.include?(host.hostname)
        execute "supervisorctl update"
        execute "nginx -tq && systemctl reload-or-restart nginx"
      end
      execute "supervisorctl restart #{name}-web #{name}-worker"
      execute "curl -sfk --retry 100 --retry-delay 0 --retry-all-errors --retry-max-time 30 -o /dev/null" \
        " --resolve #{settings["domain"]}:443:127.0.0.1 https://#{settings["domain"]}/health/"
      execute "supervisorctl status #{name}-worker"
    end
  end
end

after "deploy:updating", "site:environment"
after "site:environment", "site:files"
after "site:files", "site:build"
after "deploy:published", "site:restart"
