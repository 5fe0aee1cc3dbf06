import type { TestProject } from 'vitest/node'
import { isolatedEnv } from '../local/fresh-database.ts'
import { startStack } from '../local/stack.ts'

declare module 'vitest' {
  // An interface, because it is merged with vitest's own.
  interface ProvidedContext {
    bindings: Record<string, string>
    /** PGlite runs one statement at a time; only a real PostgreSQL can show what statements do to each other. */
    postgres: 'PGlite' | 'PostgreSQL'
    services: { neon: string; redis: string; model: string; qstash: string }
  }
}

/** Starts the local services for the tests inside workerd; those tests take the deliveries themselves. */
export default async function setup(project: TestProject) {
  const { env, drop } = await isolatedEnv(process.env, 1)
  const stack = await startStack(
    { appUrl: 'https://rounds.test', qstash: { mode: 'pull' }, flowControlFactor: 1000 },
    env,
  )
  if (stack.qstash === null) throw new Error('unset QSTASH_URL: the tests need the local QStash')
  project.provide('bindings', stack.bindings)
  project.provide('postgres', stack.neon.backend)
  project.provide('services', {
    neon: stack.neon.url,
    redis: stack.redis.url,
    model: new URL(stack.model.url).origin,
    qstash: stack.qstash.url,
  })
  return async () => {
    await stack.close()
    await drop()
  }
}
