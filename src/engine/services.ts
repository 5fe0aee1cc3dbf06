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

/**
 * Makes the services of one request or tick: a Worker may not share clients between them.
 *
 * @throws HttpError 503 that names what is not configured.
 */
export function createServices(bindings: unknown): Services {
  const env = parseEnv(bindings)
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
