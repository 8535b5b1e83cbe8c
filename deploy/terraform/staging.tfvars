# As production, in small: two servers, so that an update is seen as it will be.
region       = "eu-central-1"
environment  = "staging"
zones        = 2
nat_per_zone = false
cpu          = 1024
memory       = 2048
servers      = { min = 2, max = 4 }
database     = { instances = 1, min_acu = 0.5, max_acu = 2, backup_days = 7 }
protect      = true
log_days     = 30
