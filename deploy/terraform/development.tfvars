# To try things: one server, the smallest database, one NAT gateway; all of it goes with `terraform destroy`.
region       = "eu-central-1"
environment  = "development"
zones        = 2
nat_per_zone = false
cpu          = 512
memory       = 1024
servers      = { min = 1, max = 2 }
database     = { instances = 1, min_acu = 0.5, max_acu = 1, backup_days = 1 }
protect      = false
log_days     = 7
