# The part of actions/checkout that can be seen: what is fetched, what is checked out, what is kept.
set -euo pipefail
mkdir -p "$TARGET" && cd "$TARGET"
find . -mindepth 1 -maxdepth 1 -exec rm -rf {} +
git init -q . && git remote add origin "$GITHUB_SERVER_URL/$REPOSITORY"
credential="AUTHORIZATION: basic $(printf 'x-access-token:%s' "$TOKEN" | base64 -w0)"
git config "http.$GITHUB_SERVER_URL/.extraheader" "$credential"

fetch() {
    local options=(-q --no-recurse-submodules)
    test "$TAGS" = true || options+=(--no-tags)
    test "$DEPTH" = 0 || options+=("--depth=$DEPTH")
    test -z "$FILTER" || options+=("--filter=$FILTER")
    git fetch "${options[@]}" origin "$@"
}

everything() {
    test "$DEPTH" != 0 || fetch '+refs/heads/*:refs/remotes/origin/*' '+refs/tags/*:refs/tags/*'
}

if test -z "$REF" && test "$REPOSITORY" = "$GITHUB_REPOSITORY"; then
    everything
    case $GITHUB_REF in
    refs/heads/*)
        branch=${GITHUB_REF#refs/heads/}
        fetch "+$GITHUB_SHA:refs/remotes/origin/$branch"
        git checkout -q --force -B "$branch" "refs/remotes/origin/$branch" ;;
    refs/pull/*)
        fetch "+$GITHUB_SHA:refs/remotes/${GITHUB_REF#refs/}"
        git checkout -q --force "refs/remotes/${GITHUB_REF#refs/}" ;;
    *)
        fetch "+$GITHUB_SHA:$GITHUB_REF"
        git checkout -q --force "$GITHUB_REF" ;;
    esac
else
    everything
    name=${REF:-HEAD} && name=${name#refs/heads/}
    if [[ $name =~ ^[0-9a-f]{40}$ ]]; then
        fetch "$name" && git checkout -q --force "$name"
    elif git ls-remote -q --exit-code origin "refs/heads/$name" > /dev/null; then
        fetch "+refs/heads/$name:refs/remotes/origin/$name"
        git checkout -q --force -B "$name" "refs/remotes/origin/$name"
    elif [[ $name == refs/* || $name == HEAD ]]; then
        fetch "$name" && git checkout -q --force FETCH_HEAD
    else
        fetch "+refs/tags/$name:refs/tags/$name" && git checkout -q --force "refs/tags/$name"
    fi
fi
test "$PERSIST" = true || git config --unset-all "http.$GITHUB_SERVER_URL/.extraheader"
echo "commit=$(git rev-parse HEAD)" >> "$GITHUB_OUTPUT"
