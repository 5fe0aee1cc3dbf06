import { SignJWT, UnsecuredJWT } from 'jose'
import { lane } from '../support/lane.ts'

const encoder = new TextEncoder()

/** What QStash signs: this URL and this body, good for five minutes. */
export type Claims = { url: string; body: string; issuer?: string; from?: number; until?: number }

export const now = () => Math.floor(Date.now() / 1000)

async function claimsFor({ url, body, issuer = 'Upstash', from = now(), until = now() + 300 }: Claims) {
  const digest = await crypto.subtle.digest('SHA-256', encoder.encode(body))
  const hash = btoa(String.fromCharCode(...new Uint8Array(digest)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
  return { iss: issuer, sub: url, exp: until, nbf: from, iat: from, jti: 'jwt_test', body: hash }
}

/** A signature as QStash makes it. */
export async function sign(claims: Claims, key: string): Promise<string> {
  return await new SignJWT(await claimsFor(claims))
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .sign(encoder.encode(key))
}

/** The right claims under `alg: none`. */
export const unsigned = async (claims: Claims) => new UnsecuredJWT(await claimsFor(claims)).encode()

export const currentKey = lane.bindings.QSTASH_CURRENT_SIGNING_KEY ?? ''
export const nextKey = lane.bindings.QSTASH_NEXT_SIGNING_KEY ?? ''
