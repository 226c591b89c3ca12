# The configuration of each service; read by `up`, which has the variables.

etc=$folder/etc
mkdir -p "$etc"/{keystone,placement,glance,neutron,nova}
credentials() {
    cat <<TEXT
auth_type = password
auth_url = http://$host:$keystone/v3
username = $1
password = $password
project_name = service
user_domain_name = Default
project_domain_name = Default
region_name = RegionOne
TEXT
}
token_check() {
    cat <<TEXT
[keystone_authtoken]
www_authenticate_uri = http://$host:$keystone/v3
service_token_roles_required = true
$(credentials "$1")
TEXT
}
database_url() {
    echo "mysql+pymysql://root@localhost/$1?unix_socket=$database.socket&charset=utf8mb4"
}
tables() {
    cat <<TEXT
[database]
connection = $(database_url $1)
TEXT
}
cat >"$etc/keystone/keystone.conf" <<TEXT
[DEFAULT]
log_file = $folder/log/keystone.log
$(tables keystone)
[token]
provider = fernet
expiration = 86400
[fernet_tokens]
key_repository = $folder/state/keystone/fernet
[fernet_receipts]
key_repository = $folder/state/keystone/receipts
[credential]
key_repository = $folder/state/keystone/credential
[identity]
password_hash_rounds = 4
TEXT
cat >"$etc/placement/placement.conf" <<TEXT
[DEFAULT]
log_file = $folder/log/placement.log
[api]
auth_strategy = keystone
[placement_database]
connection = $(database_url placement)
$(token_check placement)
TEXT
cp "$venv/etc/glance/glance-api-paste.ini" "$etc/glance/"
cat >"$etc/glance/glance-api.conf" <<TEXT
[DEFAULT]
log_file = $folder/log/glance.log
enabled_backends = fs:file
worker_self_reference_url = http://$host:$glance
node_staging_uri = file://$folder/state/glance/staging/
public_endpoint = http://$host:$glance
$(tables glance)
[glance_store]
default_backend = fs
[fs]
filesystem_store_datadir = $folder/images
[os_glance_staging_store]
filesystem_store_datadir = $folder/state/glance/staging
[os_glance_tasks_store]
filesystem_store_datadir = $folder/state/glance/tasks
[paste_deploy]
flavor = keystone
config_file = $etc/glance/glance-api-paste.ini
$(token_check glance)
TEXT
cp "$venv/etc/neutron/api-paste.ini" "$etc/neutron/"
cat >"$etc/neutron/neutron.conf" <<TEXT
[DEFAULT]
log_file = $folder/log/neutron.log
state_path = $folder/state/neutron
transport_url = fake:///
core_plugin = ml2
service_plugins = router
auth_strategy = keystone
api_paste_config = $etc/neutron/api-paste.ini
notify_nova_on_port_status_changes = true
notify_nova_on_port_data_changes = true
dhcp_agent_notification = false
rpc_workers = 0
[oslo_concurrency]
lock_path = $folder/state/neutron/lock
[oslo_messaging_notifications]
driver = noop
$(tables neutron)
[nova]
$(credentials nova)
[placement]
$(credentials placement)
[ml2]
type_drivers = local,flat
tenant_network_types = local
mechanism_drivers = always_bound
extension_drivers = port_security
[ml2_type_flat]
flat_networks = *
$(token_check neutron)
TEXT
cp "$venv/etc/nova/api-paste.ini" "$etc/nova/"
cat >"$etc/nova/nova.conf" <<TEXT
[DEFAULT]
log_file = $folder/log/nova.log
state_path = $folder/state/nova
host = lab
my_ip = $host
transport_url = fake:///
compute_driver = fake.SmallFakeDriver
initial_cpu_allocation_ratio = 16
instance_usage_audit = false
use_cow_images = false
[api]
auth_strategy = keystone
[api_database]
connection = $(database_url nova_api)
$(tables nova)
[glance]
region_name = RegionOne
[oslo_concurrency]
lock_path = $folder/state/nova/lock
[oslo_messaging_notifications]
driver = noop
[cinder]
os_region_name = RegionOne
[service_user]
send_service_user_token = true
$(credentials nova)
[neutron]
$(credentials neutron)
[placement]
$(credentials placement)
[conductor]
workers = 1
[scheduler]
workers = 1
discover_hosts_in_cells_interval = -1
$(token_check nova)
TEXT
cat >"$folder/clouds.yaml" <<TEXT
clouds:
  lab:
    auth: {auth_url: "http://$host:$keystone/v3", username: demo, password: $password, project_name: demo, user_domain_name: Default, project_domain_name: Default}
    region_name: RegionOne
    interface: public
  lab-admin:
    auth: {auth_url: "http://$host:$keystone/v3", username: admin, password: $password, project_name: admin, user_domain_name: Default, project_domain_name: Default}
    region_name: RegionOne
TEXT
