output "name_server_addresses" {
  description = "What the delegation's glue names, and NS records' addresses: one for each zone"
  value       = aws_eip.dns[*].public_ip
}

output "api" {
  description = "The API, for those in api_networks"
  value       = "http://${local.api_host}:${local.http_port}"
}

output "admin_token_secret" {
  description = "Where the admin token is: key admin_token of this entry of Secrets Manager"
  value       = aws_secretsmanager_secret.servers.name
}

output "key_file_secret" {
  description = "Where the key file of signed zones is: this entry of Secrets Manager; keep a copy of it elsewhere"
  value       = aws_secretsmanager_secret.key_file.name
}

output "run_setup" {
  description = "Makes the roles and brings the schema up to date: before the first start, and before each new version"
  value = join(" ", [
    "aws ecs run-task --region ${var.region} --cluster ${aws_ecs_cluster.main.name} --launch-type FARGATE",
    "--task-definition ${aws_ecs_task_definition.setup.family}",
    "--network-configuration 'awsvpcConfiguration={subnets=[${join(",", aws_subnet.servers[*].id)}],securityGroups=[${aws_security_group.servers.id}],assignPublicIp=DISABLED}'",
  ])
}
