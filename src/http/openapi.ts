import type { OpenAPIHono } from '@hono/zod-openapi'
import { version } from '../../package.json'
import type { AppEnv } from '../engine/app-env.ts'

const info = {
  title: 'Rounds',
  version,
  description: `Visits every row of a population exactly once with a durable job.

Everything below \`/api/admin\` wants \`Authorization: Bearer …\`: ADMIN_TOKEN, or a named token. A \`viewer\` may only
look, an \`operator\` may do everything but make and revoke tokens.

Bodies are JSON, whatever the media type says, and an absent or empty one is taken for \`{}\`. Unknown fields are refused.
Lists answer \`{ data, nextCursor }\`, latest first unless they say otherwise; pass \`nextCursor\` as \`cursor\` until it is
null. Times are ISO 8601 in UTC. Every error is \`{ error: { code, message, details? } }\`.`,
  license: { name: 'MIT', identifier: 'MIT' },
}

const tags = [
  { name: 'workflows', description: 'What can be run' },
  { name: 'plans', description: 'What a batch would do, counted and priced' },
  { name: 'samples', description: 'A few items, really worked on, with nothing published' },
  { name: 'batches', description: 'One pass of a workflow over its population' },
  { name: 'items', description: 'One item: starting it, and what its steps have come to' },
  { name: 'approvals', description: 'What waits for a person to decide' },
  { name: 'failures', description: 'What failed, by error, and trying it again' },
  { name: 'kill switches', description: 'Nothing starts while one is on' },
  { name: 'changes', description: 'The log of who changed what' },
  { name: 'tokens', description: 'Who may use this API; only the holder of ADMIN_TOKEN may change it' },
  { name: 'results', description: 'What readers see; wants no token' },
  { name: 'health', description: 'Whether the Worker is configured; wants no token' },
]

/** Serves the OpenAPI document of every described route of an app at `/openapi.json`; mount it after them. */
export function serveDocument(app: OpenAPIHono<AppEnv>): void {
  app.openAPIRegistry.registerComponent('securitySchemes', 'token', {
    type: 'http',
    scheme: 'bearer',
    description: 'ADMIN_TOKEN, or a named token',
  })
  let document: ReturnType<typeof app.getOpenAPI31Document> | undefined
  app.get('/openapi.json', (c) => {
    document ??= app.getOpenAPI31Document({ openapi: '3.1.0', info, tags })
    return c.json({ ...document, servers: [{ url: c.var.services.env.APP_URL }] })
  })
}
