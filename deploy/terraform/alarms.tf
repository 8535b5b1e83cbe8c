# What AWS itself can see. What the servers see is in their metrics (docs/alerts/).

resource "aws_cloudwatch_metric_alarm" "unhealthy" {
  alarm_name          = "${local.name}-server-not-ready"
  alarm_description   = "A server does not answer the load balancer's checks"
  namespace           = "AWS/NetworkELB"
  metric_name         = "UnHealthyHostCount"
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topics
  ok_actions          = var.alarm_topics

  dimensions = {
    LoadBalancer = aws_lb.dns.arn_suffix
    TargetGroup  = aws_lb_target_group.dns.arn_suffix
  }
}

resource "aws_cloudwatch_metric_alarm" "none" {
  alarm_name          = "${local.name}-nobody-answers"
  alarm_description   = "No server is ready: DNS is not answered here"
  namespace           = "AWS/NetworkELB"
  metric_name         = "HealthyHostCount"
  statistic           = "Minimum"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_topics
  ok_actions          = var.alarm_topics

  dimensions = {
    LoadBalancer = aws_lb.dns.arn_suffix
    TargetGroup  = aws_lb_target_group.dns.arn_suffix
  }
}

resource "aws_cloudwatch_metric_alarm" "database" {
  alarm_name          = "${local.name}-database-at-its-limit"
  alarm_description   = "The database has used nearly all the capacity that it may take"
  namespace           = "AWS/RDS"
  metric_name         = "ACUUtilization"
  statistic           = "Average"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 90
  period              = 300
  evaluation_periods  = 3
  alarm_actions       = var.alarm_topics
  ok_actions          = var.alarm_topics

  dimensions = { DBClusterIdentifier = aws_rds_cluster.main.cluster_identifier }
}
