import { asc, eq, sql } from 'drizzle-orm'
import { z } from 'zod'
import { queryRows, type Db } from '../../db/client.ts'
import { tokens } from '../../db/schema.ts'
import { sha256 } from '../../digest.ts'
import type { By } from './changes.ts'

export type Token = Omit<typeof tokens.$inferSelect, 'hash'>

const shown = { name: tokens.name, role: tokens.role, createdAt: tokens.createdAt }

/** Undefined: nobody has this token. It is random, so that its hash can be looked up. */
export async function findToken(db: Db, token: string): Promise<Token | undefined> {
  const [found] = await db
    .select(shown)
    .from(tokens)
    .where(eq(tokens.hash, await sha256(token)))
  return found
}

export const listTokens = (db: Db): Promise<Token[]> =>
  db.select(shown).from(tokens).orderBy(asc(tokens.name))

/** Makes a token, of which only the hash is kept. Undefined: the name is taken. */
export async function createToken(
  db: Db,
  { name, role }: Pick<Token, 'name' | 'role'>,
  by: By,
): Promise<{ token: string; createdAt: Date } | undefined> {
  const random = crypto.getRandomValues(new Uint8Array(32))
  const token = `rounds_${Array.from(random, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
  const create = sql`
    with created as (
      insert into tokens (name, role, hash) values (${name}, ${role}, ${await sha256(token)})
      on conflict do nothing returning *
    ),
    logged as (
      insert into changes (actor, action, reason, after)
      select ${by.actor}, 'token.create', ${by.reason}, jsonb_build_object('name', name, 'role', role) from created
    )
    select created_at::text as "createdAt" from created`
  const [created] = await queryRows(db, create, z.object({ createdAt: z.string() }))
  return created === undefined ? undefined : { token, createdAt: new Date(created.createdAt) }
}

/** False: there is no token of this name. */
export async function revokeToken(db: Db, name: string, by: By): Promise<boolean> {
  const { rows } = await db.execute(sql`
    with revoked as (delete from tokens where name = ${name} returning *)
    insert into changes (actor, action, reason, before)
    select ${by.actor}, 'token.revoke', ${by.reason}, jsonb_build_object('name', name, 'role', role) from revoked
    returning id`)
  return rows.length > 0
}
