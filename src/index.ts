import { runTick } from './cron.ts'
import { servicesOf } from './engine/services.ts'
import { createApp } from './http/app.ts'
import { registry } from './workflows/registry.ts'

const app = createApp(registry, servicesOf)

export default {
  fetch: app.fetch,
  scheduled: ({ cron, scheduledTime }, bindings) =>
    runTick(servicesOf(bindings), registry, { cron, scheduledTime }),
} satisfies ExportedHandler<never>
