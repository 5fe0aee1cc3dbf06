import { z } from 'zod'

const PREFIX = 'CONFORMANCE_'

const Env = z.strictObject({
  CONFORMANCE_QSTASH_URL: z.url({ protocol: /^https?$/ }),
  CONFORMANCE_QSTASH_TOKEN: z.string().min(1),
  CONFORMANCE_CURRENT_SIGNING_KEY: z.string().min(1),
  CONFORMANCE_NEXT_SIGNING_KEY: z.string().min(1),
  CONFORMANCE_PUBLIC_URL: z.url({ protocol: /^https?$/ }),
  CONFORMANCE_PORT: z.string().regex(/^\d+$/).transform(Number).pipe(z.number().min(1).max(65_535)),
})

/** A QStash elsewhere, and how it reaches the tests. */
export type Target = {
  qstash: { url: string; token: string; currentSigningKey: string; nextSigningKey: string }
  /** Origin at which that QStash finds what listens on `port` here. */
  publicUrl: string
  port: number
}

/**
 * The QStash that the environment names; undefined when it names none.
 *
 * @throws Error when only some of the variables are set, or one of them is no valid value.
 */
export function readTarget(env: Record<string, string | undefined>): Target | undefined {
  const given = Object.entries(env).filter(([name]) => name.startsWith(PREFIX))
  if (given.length === 0) return undefined
  const parsed = Env.safeParse(Object.fromEntries(given))
  if (!parsed.success) throw new Error(`the ${PREFIX}* variables: ${z.prettifyError(parsed.error)}`)
  const values = parsed.data
  return {
    qstash: {
      url: values.CONFORMANCE_QSTASH_URL.replace(/\/+$/, ''),
      token: values.CONFORMANCE_QSTASH_TOKEN,
      currentSigningKey: values.CONFORMANCE_CURRENT_SIGNING_KEY,
      nextSigningKey: values.CONFORMANCE_NEXT_SIGNING_KEY,
    },
    publicUrl: new URL(values.CONFORMANCE_PUBLIC_URL).origin,
    port: values.CONFORMANCE_PORT,
  }
}
