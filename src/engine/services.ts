import type { Client as QstashClient } from '@upstash/qstash'
import type { Client } from '@upstash/workflow'
import { createDb, type Db } from '../db/client.ts'
import { parseEnv, type Env } from '../env.ts'
import { createAi, createCallAi, type CreateAi } from '../services/ai.ts'
import { createMail, type CreateMail } from '../services/mail.ts'
import { createPayments, type CreatePayments } from '../services/payments.ts'
import { createCache } from '../services/cache.ts'
import type { Cache, CallAi } from '../workflows/contract.ts'
import { createClients } from './client.ts'

/** What the engine works with. */
export type Services = {
  env: Env
  db: Db
  cache: Cache
  createAi: CreateAi
  callAi: CallAi
  /** Null: it is not configured. */
  createMail: CreateMail | null
  createPayments: CreatePayments | null
  qstash: QstashClient
  client: Client
}

const made = new WeakMap<object, Services>()

/**
 * What these bindings make, once for the isolate that is given them: none of it holds anything that belongs to one
 * request, as a connection would, or requests that wait to be sent together.
 *
 * @throws HttpError 503 that names what is not configured.
 */
export function servicesOf(bindings: unknown): Services {
  const key = Object(bindings)
  const services = made.get(key)
  if (services !== undefined) return services
  const created = createServices(parseEnv(bindings))
  made.set(key, created)
  return created
}

function createServices(env: Env): Services {
  return {
    env,
    db: createDb(env),
    cache: createCache(env),
    createAi: createAi(env),
    callAi: createCallAi(env),
    createMail: createMail(env),
    createPayments: createPayments(env),
    ...createClients(env),
  }
}
