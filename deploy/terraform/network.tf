# Load balancer in public subnets, servers in private ones, the database in private ones that lead nowhere.

data "aws_availability_zones" "all" {
  state = "available"
}

locals {
  name  = "pooldns-${var.environment}"
  zones = slice(data.aws_availability_zones.all.names, 0, var.zones)
  nats  = var.nat_per_zone ? var.zones : 1

  dns_port  = 9999
  http_port = 3000
}

resource "aws_vpc" "main" {
  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = { Name = local.name }
}

# Nothing is in it, and nothing may be.
resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.main.id
}

resource "aws_subnet" "public" {
  count             = var.zones
  vpc_id            = aws_vpc.main.id
  availability_zone = local.zones[count.index]
  cidr_block        = cidrsubnet(var.cidr, 4, count.index)
  tags              = { Name = "${local.name}-public-${local.zones[count.index]}" }
}

resource "aws_subnet" "servers" {
  count             = var.zones
  vpc_id            = aws_vpc.main.id
  availability_zone = local.zones[count.index]
  cidr_block        = cidrsubnet(var.cidr, 4, 4 + count.index)
  tags              = { Name = "${local.name}-servers-${local.zones[count.index]}" }
}

resource "aws_subnet" "database" {
  count             = var.zones
  vpc_id            = aws_vpc.main.id
  availability_zone = local.zones[count.index]
  cidr_block        = cidrsubnet(var.cidr, 4, 8 + count.index)
  tags              = { Name = "${local.name}-database-${local.zones[count.index]}" }
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
  tags   = { Name = local.name }
}

resource "aws_eip" "nat" {
  count  = local.nats
  domain = "vpc"
  tags   = { Name = "${local.name}-nat-${count.index}" }
}

# By these the servers reach members, webhooks and the registry of images.
resource "aws_nat_gateway" "main" {
  count         = local.nats
  allocation_id = aws_eip.nat[count.index].id
  subnet_id     = aws_subnet.public[count.index].id
  tags          = { Name = "${local.name}-${count.index}" }

  depends_on = [aws_internet_gateway.main]
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.main.id
  tags   = { Name = "${local.name}-public" }

  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.main.id
  }
}

resource "aws_route_table_association" "public" {
  count          = var.zones
  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public.id
}

resource "aws_route_table" "servers" {
  count  = var.zones
  vpc_id = aws_vpc.main.id
  tags   = { Name = "${local.name}-servers-${count.index}" }

  route {
    cidr_block     = "0.0.0.0/0"
    nat_gateway_id = aws_nat_gateway.main[var.nat_per_zone ? count.index : 0].id
  }
}

resource "aws_route_table_association" "servers" {
  count          = var.zones
  subnet_id      = aws_subnet.servers[count.index].id
  route_table_id = aws_route_table.servers[count.index].id
}

resource "aws_security_group" "servers" {
  name        = "${local.name}-servers"
  description = "Servers: DNS from everywhere, HTTP from the load balancer's checks and the networks of operators"
  vpc_id      = aws_vpc.main.id
  tags        = { Name = "${local.name}-servers" }
}

# The load balancer leaves clients' addresses as they are, so they are what is let in.
resource "aws_vpc_security_group_ingress_rule" "dns" {
  for_each          = toset(["udp", "tcp"])
  security_group_id = aws_security_group.servers.id
  description       = "DNS"
  ip_protocol       = each.key
  from_port         = local.dns_port
  to_port           = local.dns_port
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "checks" {
  count             = var.zones
  security_group_id = aws_security_group.servers.id
  description       = "Health checks of the load balancer"
  ip_protocol       = "tcp"
  from_port         = local.http_port
  to_port           = local.http_port
  cidr_ipv4         = aws_subnet.public[count.index].cidr_block
}

resource "aws_vpc_security_group_ingress_rule" "api" {
  for_each          = toset(var.api_networks)
  security_group_id = aws_security_group.servers.id
  description       = "API"
  ip_protocol       = "tcp"
  from_port         = local.http_port
  to_port           = local.http_port
  cidr_ipv4         = each.key
}

# Checks go wherever members are, unless `egress` says where that is.
resource "aws_vpc_security_group_egress_rule" "servers" {
  count             = var.egress == null ? 1 : 0
  security_group_id = aws_security_group.servers.id
  description       = "Members, webhooks, the database"
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "database" {
  count                        = var.egress == null ? 0 : 1
  security_group_id            = aws_security_group.servers.id
  description                  = "PostgreSQL"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
  referenced_security_group_id = aws_security_group.database.id
}

# Fargate fetches images and secrets and writes logs by the network of the task, at public addresses that change. The resolver of the VPC is
# reached in any case.
resource "aws_vpc_security_group_egress_rule" "aws" {
  count             = var.egress == null ? 0 : 1
  security_group_id = aws_security_group.servers.id
  description       = "HTTPS: registries, secrets and logs of AWS, webhooks"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_egress_rule" "named" {
  for_each          = var.egress == null ? {} : var.egress
  security_group_id = aws_security_group.servers.id
  description       = each.key
  ip_protocol       = each.value.protocol
  from_port         = each.value.from_port
  to_port           = each.value.to_port
  cidr_ipv4         = each.value.cidr
}

resource "aws_security_group" "database" {
  name        = "${local.name}-database"
  description = "The database: PostgreSQL from the servers alone"
  vpc_id      = aws_vpc.main.id
  tags        = { Name = "${local.name}-database" }
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  security_group_id            = aws_security_group.database.id
  description                  = "PostgreSQL"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
  referenced_security_group_id = aws_security_group.servers.id
}
