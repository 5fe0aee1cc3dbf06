import { serve, type ServerType } from '@hono/node-server'
import type { Hono } from 'hono'

/** A local service listening on 127.0.0.1. */
export type LocalServer = {
  url: string
  port: number
  /** Answers a request of this process, with whatever origin, as one that came to the port. */
  fetch: (request: Request) => Response | Promise<Response>
  close(): Promise<void>
}

/**
 * Serves a Hono app on 127.0.0.1.
 *
 * @param options.port TCP port; 0 or absent picks a free one.
 * @throws the listen error (EADDRINUSE …) when the port cannot be had.
 */
export async function listen(
  app: Pick<Hono, 'fetch'>,
  options: { port?: number } = {},
): Promise<LocalServer> {
  const server = await new Promise<ServerType>((resolve, reject) => {
    const started = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: options.port ?? 0 }, () =>
      resolve(started),
    )
    started.once('error', reject)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no TCP port')
  const { port } = address
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    fetch: (request) => app.fetch(request),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        if ('closeAllConnections' in server) server.closeAllConnections()
      }),
  }
}
