// Where a Gitea or Forgejo is: its pages and its API, from the URL an administrator gave.

/** `https://git.example.com/gitea`, whether it was given so, with slashes at the end, or with `/api/v1`. */
export function giteaWebUrl(apiUrl: string): string {
  return apiUrl
    .replace(/\/+$/, '')
    .replace(/\/api\/v1$/, '')
    .replace(/\/+$/, '')
}

export function giteaApiUrl(apiUrl: string): string {
  return `${giteaWebUrl(apiUrl)}/api/v1`
}
