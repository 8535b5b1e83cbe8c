terraform {
  # Values that are written and never read back (`_wo`): no secret is in the state.
  required_version = ">= 1.11"

  required_providers {
    aws    = { source = "hashicorp/aws", version = "~> 6.0" }
    random = { source = "hashicorp/random", version = "~> 3.7" }
  }

  # Where the state is kept: terraform init -backend-config=FILE
  backend "s3" {}
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Project     = "pooldns"
      Environment = var.environment
      ManagedBy   = "terraform"
    }
  }
}
