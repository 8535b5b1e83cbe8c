# One address for each zone, which stays: name servers are delegated to by address.

resource "aws_eip" "dns" {
  count  = var.zones
  domain = "vpc"
  tags   = { Name = "${local.name}-dns-${count.index}" }
}

resource "aws_lb" "dns" {
  name                             = "${local.name}-dns"
  load_balancer_type               = "network"
  internal                         = false
  enable_cross_zone_load_balancing = true
  enable_deletion_protection       = var.protect

  dynamic "subnet_mapping" {
    for_each = range(var.zones)

    content {
      subnet_id     = aws_subnet.public[subnet_mapping.value].id
      allocation_id = aws_eip.dns[subnet_mapping.value].id
    }
  }
}

resource "aws_lb_target_group" "dns" {
  name        = "${local.name}-dns"
  vpc_id      = aws_vpc.main.id
  target_type = "ip"
  protocol    = "TCP_UDP"
  port        = local.dns_port

  # A server that is to go answers for so long after no new flows are led to it; it is told to end then. Flows of UDP last that long.
  deregistration_delay = 120

  health_check {
    protocol            = "HTTP"
    port                = local.http_port
    path                = "/ready"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 2
  }
}

resource "aws_lb_listener" "dns" {
  load_balancer_arn = aws_lb.dns.arn
  protocol          = "TCP_UDP"
  port              = 53

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.dns.arn
  }
}
