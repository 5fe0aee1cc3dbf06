import type { MiddlewareHandler } from 'hono'
import { timingSafeEqual } from 'hono/utils/buffer'
import type { AppEnv } from '../engine/app-env.ts'
import { HttpError } from '../errors.ts'

/** Lets in who shows the admin token as a bearer token. Both are hashed before they are compared. */
export const requireAdmin: MiddlewareHandler<AppEnv> = async (c, next) => {
  const given = /^Bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1] ?? ''
  if (!(await timingSafeEqual(given, c.var.services.env.ADMIN_TOKEN))) {
    c.header('www-authenticate', 'Bearer')
    throw new HttpError(401, 'unauthorized', 'a valid bearer token is required')
  }
  await next()
}
