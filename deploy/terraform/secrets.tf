# What the servers know, and what the setup knows, apart from each other. Made here, and in no state: Terraform forgets what it has written.

ephemeral "random_password" "owner" {
  length  = 40
  special = false
}

ephemeral "random_password" "daemon" {
  length  = 40
  special = false
}

ephemeral "random_password" "admin_token" {
  length  = 40
  special = false
}

# The file that keys of signed zones are sealed by is 32 octets in base64; of letters and digits alone they are 190 bits.
ephemeral "random_password" "key_file" {
  length  = 32
  special = false
}

locals {
  # Aurora's certificates are of authorities of Amazon's own, which no image knows unless they were put there. Else, as libpq means it, the
  # connection is encrypted, and that is all; `require` alone would ask for a certificate of a public authority.
  database_encrypted = "sslmode=require&uselibpqcompat=true"
  database_verified  = "sslmode=verify-full&sslrootcert=${var.database_ca_file}"
  database_tls       = var.database_ca_file == "" ? local.database_encrypted : local.database_verified
  # The server follows the cluster's writer by the name of its endpoint.
  database_place = "${aws_rds_cluster.main.endpoint}:${aws_rds_cluster.main.port}/${aws_rds_cluster.main.database_name}?${local.database_tls}"
}

resource "aws_secretsmanager_secret" "servers" {
  name                    = "${local.name}/servers"
  description             = "pooldns: what servers connect to the database by, and the admin token of the API"
  recovery_window_in_days = var.protect ? 30 : 0
}

resource "aws_secretsmanager_secret_version" "servers" {
  secret_id                = aws_secretsmanager_secret.servers.id
  secret_string_wo_version = var.secrets_version
  secret_string_wo = jsonencode({
    database_url = "postgres://pooldns:${ephemeral.random_password.daemon.result}@${local.database_place}"
    admin_token  = ephemeral.random_password.admin_token.result
  })
}

resource "aws_secretsmanager_secret" "setup" {
  name                    = "${local.name}/setup"
  description             = "pooldns: passwords of the roles in the database, for the setup alone"
  recovery_window_in_days = var.protect ? 30 : 0
}

resource "aws_secretsmanager_secret_version" "setup" {
  secret_id                = aws_secretsmanager_secret.setup.id
  secret_string_wo_version = var.secrets_version
  secret_string_wo = jsonencode({
    owner_password  = ephemeral.random_password.owner.result
    daemon_password = ephemeral.random_password.daemon.result
    owner_url       = "postgres://pooldns_owner:${ephemeral.random_password.owner.result}@${local.database_place}"
  })
}

resource "aws_secretsmanager_secret" "key_file" {
  name                    = "${local.name}/key-file"
  description             = "pooldns: what the private keys of signed zones are sealed by; without it none of them is of use any more"
  recovery_window_in_days = var.protect ? 30 : 0
}

resource "aws_secretsmanager_secret_version" "key_file" {
  secret_id = aws_secretsmanager_secret.key_file.id
  # Not secrets_version: another one opens none of the keys that are there.
  secret_string_wo_version = 1
  secret_string_wo         = base64encode(ephemeral.random_password.key_file.result)
}
