# What has no default is in the file of the environment: development.tfvars, staging.tfvars, production.tfvars.

variable "region" {
  description = "Region of AWS"
  type        = string
}

variable "environment" {
  description = "Stands in every name, so that several can live in one account"
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,14}$", var.environment))
    error_message = "environment: 2 to 15 small letters, digits and hyphens, with a letter first; names of load balancers are short."
  }
}

variable "image" {
  description = "The image, with its tag or digest, such as 111122223333.dkr.ecr.eu-central-1.amazonaws.com/pooldns:0.1.0"
  type        = string

  validation {
    condition     = can(regex("[:@][^/]+$", var.image)) && !endswith(var.image, ":latest")
    error_message = "image: name a tag other than latest, or a digest: what runs must be known."
  }
}

variable "setup_image" {
  description = "An image with psql and sh, which makes the roles in the database"
  type        = string
  default     = "public.ecr.aws/docker/library/postgres:17-alpine"
}

variable "cidr" {
  description = "Network of the VPC"
  type        = string
  default     = "10.53.0.0/16"
}

variable "zones" {
  description = "How many availability zones"
  type        = number

  validation {
    condition     = var.zones >= 2 && var.zones <= 4
    error_message = "zones: 2 to 4; the database takes two at least."
  }
}

variable "nat_per_zone" {
  description = "A NAT gateway for each zone, so that the loss of one takes no other with it; else one for all"
  type        = bool
}

variable "cpu" {
  description = "Of a server, in 1024ths of a processor, as Fargate has them"
  type        = number

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192], var.cpu)
    error_message = "cpu: 256, 512, 1024, 2048, 4096 or 8192."
  }
}

variable "memory" {
  description = "Of a server, in MiB; what Fargate has for this cpu"
  type        = number
}

variable "servers" {
  description = "How many servers, at least and at most; between them by the processor"
  type        = object({ min = number, max = number })

  validation {
    condition     = var.servers.min >= 1 && var.servers.min <= var.servers.max
    error_message = "servers: min is 1 or more, and not more than max."
  }
}

variable "cpu_target" {
  description = "Per cent of the processors of all servers, above which one is added"
  type        = number
  default     = 50
}

variable "database" {
  description = "Aurora: its instances (two or more have a standby), their capacity in ACU, days of backups"
  type = object({
    instances   = number
    min_acu     = number
    max_acu     = number
    backup_days = number
  })

  validation {
    condition     = var.database.instances >= 1 && var.database.min_acu >= 0.5 && var.database.min_acu <= var.database.max_acu
    error_message = "database: one instance or more, min_acu from 0.5 (it never pauses, for servers stay connected) to max_acu."
  }
}

variable "database_version" {
  description = "Of Aurora PostgreSQL; minor versions come by raising it, in the next maintenance window"
  type        = string
  default     = "17.5"
}

variable "protect" {
  description = "Refuse to delete the database and the load balancer, and keep a last backup"
  type        = bool
}

variable "api_networks" {
  description = "Networks within or connected to the VPC, such as a VPN's, from which the API (plain HTTP, port 3000) may be reached"
  type        = list(string)
  default     = []
}

variable "egress" {
  description = "Where servers may connect to besides the database and HTTPS: members by the ports of their monitors, resolvers, a collector, by any name; null: everywhere"
  type = map(object({
    cidr      = string
    protocol  = string
    from_port = number
    to_port   = number
  }))
  default = null

  validation {
    condition     = alltrue([for rule in values(coalesce(var.egress, {})) : can(cidrnetmask(rule.cidr)) && contains(["tcp", "udp"], rule.protocol)])
    error_message = "egress: cidr is a network of IPv4 such as 192.0.2.0/24 (the VPC has no IPv6), protocol is tcp or udp; the server sends nothing else, so no ICMP."
  }

  validation {
    condition     = alltrue([for rule in values(coalesce(var.egress, {})) : rule.from_port >= 0 && rule.from_port <= rule.to_port && rule.to_port <= 65535])
    error_message = "egress: ports are from 0 to 65535, and from_port is no more than to_port."
  }
}

variable "database_ca_file" {
  description = "Path of Amazon's authorities for the region, in PEM, in both image and setup_image: the database's certificate is verified by them. Empty: the connection is encrypted, and nothing is verified"
  type        = string
  default     = ""

  validation {
    condition     = var.database_ca_file == "" || can(regex("^/[A-Za-z0-9._/-]+$", var.database_ca_file))
    error_message = "database_ca_file: an absolute path, of letters, digits and . _ - / alone."
  }
}

variable "settings" {
  description = "Variables of docs/configuration.md, such as POOLDNS_GUARD, and those of OpenTelemetry"
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([for name in keys(var.settings) : can(regex("^(POOLDNS|OTEL)_[A-Z_]+$", name)) && !contains([
      "POOLDNS_ADMIN_TOKEN", "POOLDNS_DATA_DIR", "POOLDNS_DNS_LISTEN", "POOLDNS_HTTP_LISTEN", "POOLDNS_KEY_FILE",
    ], name)])
    error_message = "settings: names begin with POOLDNS_ or OTEL_, and secrets, addresses, the key file and the data directory are set by this module."
  }

  validation {
    condition     = alltrue([for name, value in var.settings : !can(regex("_(SECRET|HEADERS)$", name)) && !can(regex("://[^/]*@", value))])
    error_message = "settings: a secret, or a URL with a password, would be in the state: name its entry of Secrets Manager in secret_settings."
  }
}

variable "secret_settings" {
  description = "Variables that are secrets, such as POOLDNS_SMTP_URL, POOLDNS_CACHE_URL, POOLDNS_OPENID_SECRET and OTEL_EXPORTER_OTLP_HEADERS: each with the ARN of its entry in Secrets Manager, or ARN:KEY:: of one that is JSON"
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.secret_settings) : can(regex("^(POOLDNS|OTEL)_[A-Z_]+$", name)) && name != "POOLDNS_ADMIN_TOKEN"])
    error_message = "secret_settings: names begin with POOLDNS_ or OTEL_, and the token of the API is made by this module."
  }

  validation {
    condition     = length(setintersection(keys(var.secret_settings), keys(var.settings))) == 0
    error_message = "secret_settings: a variable is in settings, too."
  }

  validation {
    condition     = alltrue([for arn in values(var.secret_settings) : can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+(:[^:]*:[^:]*:[^:]*)?$", arn))])
    error_message = "secret_settings: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-RANDOM, and :KEY:: behind it for one key of an entry that is JSON."
  }
}

variable "files" {
  description = "Files of /var/lib/pooldns/files by their names there, with their text, such as what POOLDNS_OPENID names; they are in the state, and 64 KiB in all at the most"
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.files) : can(regex("^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$", name)) && name != "dnssec.key"])
    error_message = "files: names such as openid.yaml or certificates/web.crt; dnssec.key is made by this module."
  }
}

variable "secret_files" {
  description = "Files there that are secrets, such as certificates/web.key: each with the ARN of its entry in Secrets Manager, or ARN:KEY:: of one that is JSON"
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.secret_files) : can(regex("^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$", name)) && name != "dnssec.key"])
    error_message = "secret_files: names such as certificates/web.key; dnssec.key is made by this module."
  }

  validation {
    condition     = length(setintersection(keys(var.secret_files), keys(var.files))) == 0
    error_message = "secret_files: a file is in files, too."
  }

  validation {
    condition     = alltrue([for arn in values(var.secret_files) : can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+(:[^:]*:[^:]*:[^:]*)?$", arn))])
    error_message = "secret_files: arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-RANDOM, and :KEY:: behind it for one key of an entry that is JSON."
  }
}

variable "log_days" {
  description = "How long logs are kept"
  type        = number
}

variable "alarm_topics" {
  description = "ARNs of SNS topics that are told of alarms"
  type        = list(string)
  default     = []
}

variable "secrets_version" {
  description = "One more makes new passwords and a new token: apply, run the setup, and replace the servers"
  type        = number
  default     = 1
}
