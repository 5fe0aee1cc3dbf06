import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { z } from 'zod'

declare module 'vitest' {
  // An interface, because it is merged with vitest's own.
  interface ProvidedContext {
    bindings: Record<string, string>
    /** PGlite runs one statement at a time; only a real PostgreSQL can show what statements do to each other. */
    postgres: 'PGlite' | 'PostgreSQL'
    services: { neon: string; redis: string; model: string; qstash: string }
  }
}

const provided = z.object({
  bindings: z.record(z.string(), z.string()),
  postgres: z.enum(['PGlite', 'PostgreSQL']),
  services: z.object({ neon: z.string(), redis: z.string(), model: z.string(), qstash: z.string() }),
})

/** So that projects that run at the same time on one Redis do not meet; the built Worker's tests have number 2. */
const redisDatabases: Record<string, number> = { engine: 1, http: 3 }

/** Starts the project's local services in a process of their own, for the tests inside workerd. */
export default async function setup(project: TestProject) {
  const program = join(import.meta.dirname, 'stack.ts')
  const stack = spawn(process.execPath, [program, String(redisDatabases[project.name] ?? 1)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = once(stack, 'exit')
  const first = await Promise.race([once(createInterface(stack.stdout), 'line'), ended])
  if (stack.exitCode !== null) throw new Error('the local services did not start')
  const { bindings, postgres, services } = provided.parse(JSON.parse(String(first[0])))
  project.provide('bindings', bindings)
  project.provide('postgres', postgres)
  project.provide('services', services)
  return async () => {
    stack.stdin.end()
    await ended
  }
}
