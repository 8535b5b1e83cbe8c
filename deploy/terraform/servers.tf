# The servers, on Fargate, and the setup: a task that is run by hand before the first start and before each new version.

resource "aws_cloudwatch_log_group" "main" {
  name              = "/pooldns/${var.environment}"
  retention_in_days = var.log_days
}

resource "aws_ecs_cluster" "main" {
  name = local.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

# The API by one name within the VPC: servers.pooldns-ENVIRONMENT.internal
resource "aws_service_discovery_private_dns_namespace" "main" {
  name = "${local.name}.internal"
  vpc  = aws_vpc.main.id
}

resource "aws_service_discovery_service" "api" {
  name = "servers"

  dns_config {
    namespace_id   = aws_service_discovery_private_dns_namespace.main.id
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      ttl  = 10
    }
  }
}

locals {
  api_host = "servers.${local.name}.internal"

  log = { for prefix in ["server", "files", "setup"] : prefix => {
    logDriver = "awslogs"
    options = {
      "awslogs-group"         = aws_cloudwatch_log_group.main.name
      "awslogs-region"        = var.region
      "awslogs-stream-prefix" = prefix
    }
  } }

  environment = merge(var.settings, {
    POOLDNS_DATA_DIR    = "/var/lib/pooldns"
    POOLDNS_DNS_LISTEN  = "0.0.0.0:${local.dns_port}"
    POOLDNS_HTTP_LISTEN = "0.0.0.0:${local.http_port}"
    POOLDNS_HTTP_HOSTS  = join(",", compact([local.api_host, lookup(var.settings, "POOLDNS_HTTP_HOSTS", "")]))
    POOLDNS_KEY_FILE    = "${local.files_folder}/dnssec.key"
  })

  # Secrets reach a container of ECS as variables alone. What the server wants as files is written by a container that goes first.
  files_folder = "/var/lib/pooldns/files"
  # By name: where it comes from. Variables of that container have numbers, for a name may hold what a variable may not.
  secret_files     = merge(var.secret_files, { "dnssec.key" = aws_secretsmanager_secret.key_file.arn })
  files            = concat(sort(keys(var.files)), sort(keys(local.secret_files)))
  variable_of_file = { for number, name in local.files : name => "FILE_${number}" }

  write_files = {
    name                   = "files"
    image                  = var.image
    entryPoint             = ["node", "--input-type=module", "--eval"]
    command                = [file("${path.module}/write-files.mjs")]
    essential              = false
    user                   = "1000:1000"
    readonlyRootFilesystem = true
    linuxParameters        = { capabilities = { drop = ["ALL"] } }
    logConfiguration       = local.log["files"]
    environment = concat([
      { name = "FOLDER", value = local.files_folder },
      { name = "NAMES", value = jsonencode({ for name, variable in local.variable_of_file : variable => name }) },
    ], [for name in sort(keys(var.files)) : { name = local.variable_of_file[name], value = var.files[name] }])
    secrets     = [for name in sort(keys(local.secret_files)) : { name = local.variable_of_file[name], valueFrom = local.secret_files[name] }]
    mountPoints = [{ sourceVolume = "data", containerPath = "/var/lib/pooldns", readOnly = false }]
  }

  server = {
    name                   = "pooldns"
    image                  = var.image
    command                = ["serve"]
    essential              = true
    user                   = "1000:1000"
    readonlyRootFilesystem = true
    linuxParameters        = { capabilities = { drop = ["ALL"] } }
    # More than the ten seconds that it takes.
    stopTimeout      = 30
    environment      = [for name in sort(keys(local.environment)) : { name = name, value = local.environment[name] }]
    logConfiguration = local.log["server"]
    dependsOn        = [{ containerName = local.write_files.name, condition = "SUCCESS" }]
    secrets = concat([
      { name = "DATABASE_URL", valueFrom = "${aws_secretsmanager_secret.servers.arn}:database_url::" },
      { name = "POOLDNS_ADMIN_TOKEN", valueFrom = "${aws_secretsmanager_secret.servers.arn}:admin_token::" },
    ], [for name in sort(keys(var.secret_settings)) : { name = name, valueFrom = var.secret_settings[name] }])
    portMappings = [
      { containerPort = local.dns_port, protocol = "udp" },
      { containerPort = local.dns_port, protocol = "tcp" },
      { containerPort = local.http_port, protocol = "tcp" },
    ]
    # It has the owner that the image gave the folder.
    mountPoints = [{ sourceVolume = "data", containerPath = "/var/lib/pooldns", readOnly = false }]
    # The server replaces what hangs in it by itself: only what lasts is for ECS.
    healthCheck = {
      command     = ["CMD", "node", "/app/deploy/healthcheck.mjs"]
      interval    = 15
      timeout     = 5
      retries     = 4
      startPeriod = 120
    }
  }

  setup = [
    {
      name                   = "roles"
      image                  = var.setup_image
      entryPoint             = ["sh", "-c"]
      command                = [file("${path.module}/setup.sh")]
      essential              = false
      user                   = "1000:1000"
      readonlyRootFilesystem = true
      linuxParameters        = { capabilities = { drop = ["ALL"] } }
      logConfiguration       = local.log["setup"]
      environment = [
        { name = "PGHOST", value = aws_rds_cluster.main.endpoint },
        { name = "PGPORT", value = tostring(aws_rds_cluster.main.port) },
        { name = "PGDATABASE", value = aws_rds_cluster.main.database_name },
        { name = "PGSSLMODE", value = var.database_ca_file == "" ? "require" : "verify-full" },
        { name = "PGSSLROOTCERT", value = var.database_ca_file },
        { name = "ROLES_SQL", value = file("${path.module}/../postgres/roles.sql") },
      ]
      secrets = [
        { name = "PGUSER", valueFrom = "${aws_rds_cluster.main.master_user_secret[0].secret_arn}:username::" },
        { name = "PGPASSWORD", valueFrom = "${aws_rds_cluster.main.master_user_secret[0].secret_arn}:password::" },
        { name = "OWNER_PASSWORD", valueFrom = "${aws_secretsmanager_secret.setup.arn}:owner_password::" },
        { name = "DAEMON_PASSWORD", valueFrom = "${aws_secretsmanager_secret.setup.arn}:daemon_password::" },
      ]
    },
    {
      name                   = "migrate"
      image                  = var.image
      command                = ["migrate"]
      essential              = true
      user                   = "1000:1000"
      readonlyRootFilesystem = true
      linuxParameters        = { capabilities = { drop = ["ALL"] } }
      logConfiguration       = local.log["setup"]
      dependsOn              = [{ containerName = "roles", condition = "SUCCESS" }]
      secrets                = [{ name = "DATABASE_URL", valueFrom = "${aws_secretsmanager_secret.setup.arn}:owner_url::" }]
    },
  ]
}

resource "aws_ecs_task_definition" "server" {
  family                   = local.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution["servers"].arn
  task_role_arn            = aws_iam_role.task.arn
  container_definitions    = jsonencode([local.write_files, local.server])

  volume {
    name = "data"
  }
}

resource "aws_ecs_task_definition" "setup" {
  family                   = "${local.name}-setup"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 512
  memory                   = 1024
  execution_role_arn       = aws_iam_role.execution["setup"].arn
  task_role_arn            = aws_iam_role.task.arn
  container_definitions    = jsonencode(local.setup)

  depends_on = [aws_secretsmanager_secret_version.setup]
}

resource "aws_ecs_service" "server" {
  name            = "pooldns"
  cluster         = aws_ecs_cluster.main.id
  task_definition = aws_ecs_task_definition.server.arn
  launch_type     = "FARGATE"
  desired_count   = var.servers.min

  # The next ones answer before one goes.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  # A start waits for the database and checks every member.
  health_check_grace_period_seconds = 300
  availability_zone_rebalancing     = "ENABLED"

  # A version that does not become ready is taken back.
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = aws_subnet.servers[*].id
    security_groups  = [aws_security_group.servers.id]
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.dns.arn
    container_name   = local.server.name
    container_port   = local.dns_port
  }

  service_registries {
    registry_arn = aws_service_discovery_service.api.arn
  }

  lifecycle {
    # It is autoscaling's.
    ignore_changes = [desired_count]
  }

  depends_on = [aws_lb_listener.dns, aws_secretsmanager_secret_version.servers, aws_secretsmanager_secret_version.key_file]
}

resource "aws_appautoscaling_target" "server" {
  service_namespace  = "ecs"
  resource_id        = "service/${aws_ecs_cluster.main.name}/${aws_ecs_service.server.name}"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = var.servers.min
  max_capacity       = var.servers.max
}

resource "aws_appautoscaling_policy" "cpu" {
  name               = "${local.name}-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.server.service_namespace
  resource_id        = aws_appautoscaling_target.server.resource_id
  scalable_dimension = aws_appautoscaling_target.server.scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value       = var.cpu_target
    scale_out_cooldown = 60
    # A server that goes takes two minutes to drain.
    scale_in_cooldown = 600

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}
