# Who may do what. A task has no rights of its own: neither the server nor the setup calls AWS. What starts a task may fetch its secrets and
# write its log, each of the two its own.

data "aws_iam_policy_document" "tasks" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

locals {
  # By what starts them: the secrets that it may read.
  execution_secrets = {
    servers = concat(
      [aws_secretsmanager_secret.servers.arn, aws_secretsmanager_secret.key_file.arn],
      # ARN:KEY:STAGE:VERSION names a part of an entry, and the right is of the entry.
      distinct([for arn in concat(values(var.secret_settings), values(var.secret_files)) : join(":", slice(split(":", arn), 0, 7))]),
    )
    setup = [aws_secretsmanager_secret.setup.arn, aws_rds_cluster.main.master_user_secret[0].secret_arn]
  }
  # Of an image in ECR: arn:aws:ecr:REGION:ACCOUNT:repository/NAME. Others need no right.
  ecr = regexall("^(\\d{12})\\.dkr\\.ecr\\.([a-z0-9-]+)\\.amazonaws\\.com/([^:@]+)", var.image)
}

data "aws_iam_policy_document" "execution" {
  for_each = local.execution_secrets

  statement {
    sid       = "Secrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = each.value
  }

  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.main.arn}:*"]
  }

  dynamic "statement" {
    for_each = local.ecr

    content {
      sid       = "Image"
      actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      resources = ["arn:aws:ecr:${statement.value[1]}:${statement.value[0]}:repository/${statement.value[2]}"]
    }
  }

  dynamic "statement" {
    for_each = length(local.ecr) > 0 ? [1] : []

    content {
      sid = "Registry"
      # It has no resource that could be named.
      actions   = ["ecr:GetAuthorizationToken"]
      resources = ["*"]
    }
  }
}

resource "aws_iam_role" "execution" {
  for_each           = local.execution_secrets
  name               = "${local.name}-${each.key}-start"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}

resource "aws_iam_role_policy" "execution" {
  for_each = local.execution_secrets
  name     = "start"
  role     = aws_iam_role.execution[each.key].id
  policy   = data.aws_iam_policy_document.execution[each.key].json
}

resource "aws_iam_role" "task" {
  name               = "${local.name}-task"
  assume_role_policy = data.aws_iam_policy_document.tasks.json
}
