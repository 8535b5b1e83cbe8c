ALTER TABLE "zones" ADD COLUMN "fixed_serial" bigint;--> statement-breakpoint
ALTER TABLE "zones" ADD CONSTRAINT "zones_fixed_serial_check" CHECK ("zones"."fixed_serial" between 0 and 4294967295);