import type { Context, MiddlewareHandler } from 'hono'
import { timingSafeEqual } from 'hono/utils/buffer'
import type { By } from '../engine/ledger/changes.ts'
import { findToken } from '../engine/ledger/tokens.ts'
import type { AppEnv } from '../engine/app-env.ts'
import type { Services } from '../engine/services.ts'
import { HttpError, unavailable } from '../errors.ts'

/** Who asks. The holder of ADMIN_TOKEN may also make and revoke the tokens of the others. */
export type Actor = { name: string; role: 'viewer' | 'operator' | 'admin' }

export type AdminEnv = AppEnv & {
  /** Declared in wrangler.jsonc. */
  Bindings: { REFUSED_TOKENS?: RateLimit }
  Variables: { actor: Actor }
}

const ranks = { viewer: 0, operator: 1, admin: 2 }

/** Lets in who shows a token, and lets viewers only look. */
export const authenticate: MiddlewareHandler<AdminEnv> = async (c, next) => {
  const given = /^Bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
  const actor = given === undefined ? undefined : await actorWith(c.var.services, given)
  if (actor === undefined) {
    await checkPatience(c)
    c.header('www-authenticate', 'Bearer')
    throw new HttpError(401, 'unauthorized', 'a valid bearer token is required')
  }
  c.set('actor', actor)
  await requireRole(c.req.method === 'GET' || c.req.method === 'HEAD' ? 'viewer' : 'operator')(c, next)
}

/** Whoever guesses tokens is answered so many times a minute; whoever has one is never held up. */
async function checkPatience(c: Context<AdminEnv>): Promise<void> {
  const limiter = c.env.REFUSED_TOKENS
  if (limiter === undefined) throw unavailable('not configured: REFUSED_TOKENS of wrangler.jsonc is missing')
  const { success } = await limiter.limit({ key: c.req.header('cf-connecting-ip') ?? '' })
  if (success) return
  c.header('retry-after', '60')
  throw new HttpError(429, 'too_many_requests', 'too many requests without a valid token: wait a minute')
}

/** Lets in who has the role or a higher one. */
export const requireRole =
  (role: Actor['role']): MiddlewareHandler<AdminEnv> =>
  async (c, next) => {
    const { actor } = c.var
    if (ranks[actor.role] < ranks[role]) {
      throw new HttpError(403, 'forbidden', `${actor.name} has the role ${actor.role}; this needs ${role}`)
    }
    await next()
  }

async function actorWith({ env, db }: Services, token: string): Promise<Actor | undefined> {
  // Both are hashed before they are compared.
  if (await timingSafeEqual(token, env.ADMIN_TOKEN)) return { name: 'ADMIN_TOKEN', role: 'admin' }
  return await findToken(db, token)
}

/** Who asks for a change, and why; the same `key` makes the same change once. */
export const askedBy = (actor: Actor, { reason }: { reason?: string | undefined }, key?: string): By => ({
  actor: actor.name,
  reason: reason ?? null,
  key,
})
