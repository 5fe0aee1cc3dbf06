import { runTick } from './cron.ts'
import { createServices } from './engine/services.ts'
import { createApp } from './http/app.ts'
import { registry } from './workflows/registry.ts'

const app = createApp(registry, createServices)

export default {
  fetch: app.fetch,
  scheduled: ({ cron, scheduledTime }, bindings) =>
    runTick(createServices(bindings), registry, { cron, scheduledTime }),
} satisfies ExportedHandler<never>
