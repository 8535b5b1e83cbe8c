# Three zones, each with a way out of its own, and a database with a standby.
region       = "eu-central-1"
environment  = "production"
zones        = 3
nat_per_zone = true
cpu          = 2048
memory       = 4096
servers      = { min = 3, max = 12 }
database     = { instances = 2, min_acu = 1, max_acu = 8, backup_days = 30 }
protect      = true
log_days     = 90
