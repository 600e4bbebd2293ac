# shellcheck shell=bash
# Shared by tessera and test, which source it: installs what is missing and builds what is out of date.
# Everything is said on standard error, so that a command's own output can be piped.

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
artifacts=$root/artifacts

say() { printf 'tessera: %s\n' "$*" >&2; }
die() { local code=$1; shift; say "$@"; exit "$code"; }

# --- Debian packages ------------------------------------------------------------------------------------------------

# Prints "name<TAB>why" for every package that is neither installed nor replaced by a command on the PATH.
missing_packages() {
    local names command why name installed
    installed=" $(dpkg-query -W -f '${db:Status-Status}=${Package} ' 2> /dev/null) " || installed=''
    while IFS='|' read -r names command why; do
        read -r command <<< "$command"
        read -r why <<< "$why"
        if [[ $names == \#* ]]; then continue; fi
        if [[ $names == "libtorch-dev "* && -n ${TESSERA_LIBTORCH:-} ]]; then continue; fi
        if [[ $command != - ]] && command -v "$command" > /dev/null; then continue; fi
        # Without dpkg, only commands can be looked for; what else is missing, the builds will name.
        if [[ $command == - && -z $installed ]]; then continue; fi
        for name in $names; do
            if [[ $installed == *" installed=$name "* ]]; then continue 2; fi
        done
        printf '%s\t%s\n' "$names" "$why"
    done < "$root/scripts/packages.txt"
}

# True when apt's lists name a version of the package that can be installed.
apt_knows() { [[ $(LC_ALL=C apt-cache policy "$1" 2> /dev/null) =~ Candidate:\ [^\(] ]]; }

# The first of several names that this release has; the first of all when the lists know none.
apt_name() {
    local name
    for name in "$@"; do
        if apt_knows "$name"; then echo "$name"; return; fi
    done
    echo "$1"
}

install_missing() {
    local missing names why log=$artifacts/logs/packages.log
    missing=$(missing_packages)
    if [[ -z $missing ]]; then return; fi

    local -a needed=() as_root=()
    local known=yes name
    say 'needs from Debian:'
    while IFS=$'\t' read -r names why; do
        # shellcheck disable=SC2086  # alternatives are separated by spaces
        name=$(apt_name $names)
        needed+=("$name")
        apt_knows "$name" || known=no
        say "$(printf '  %-22s %s' "$name" "$why")"
    done <<< "$missing"

    local command="apt-get update && apt-get install --no-install-recommends -y ${needed[*]}"
    if ! command -v apt-get > /dev/null; then
        die 2 'there is no apt-get here: install what these packages stand for, then start again'
    elif [[ $EUID -eq 0 ]]; then
        as_root=(env)
    elif command -v sudo > /dev/null && { sudo -n true 2> /dev/null || { [[ -t 0 && -t 2 ]] && sudo -v; }; }; then
        as_root=(sudo env)
    else
        die 2 "neither root nor sudo: have this run, then start again:  sudo sh -c '$command'"
    fi

    say "installing them (log: $log)"
    as_root+=(DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
    mkdir -p "$artifacts/logs"
    : > "$log"
    # Lists that are merely old name files which the mirror no longer has: then one update and a second attempt.
    if [[ $known == no ]] || ! "${as_root[@]}" install --no-install-recommends "${needed[@]}" >> "$log" 2>&1 9>&-; then
        "${as_root[@]}" update >> "$log" 2>&1 9>&- || say 'apt-get update failed; trying with the lists that are there'
        # The name of a package may have become known only now.
        mapfile -t needed < <(while IFS=$'\t' read -r names why; do
            # shellcheck disable=SC2086
            apt_name $names
        done <<< "$missing")
        if ! "${as_root[@]}" install --no-install-recommends "${needed[@]}" >> "$log" 2>&1 9>&-; then
            tail -n 15 "$log" >&2
            die 1 "apt-get could not install ${needed[*]}; the whole log is $log"
        fi
    fi
}

# --- builds ---------------------------------------------------------------------------------------------------------

# True when the stamp is absent or one of the files and folders (a deleted file changes its folder) is newer.
stale() {
    local stamp=$1
    shift
    [[ ! -e $stamp || -n $(find "$@" -newer "$stamp" -print -quit) ]]
}

# Runs a command with its output in a log; when it fails shows the errors (or the log's end) and stops.
quietly() {
    local what=$1 log=$2 errors
    shift 2
    mkdir -p "${log%/*}"
    # The lock (descriptor 9) must not be inherited by build servers, which outlive this script.
    if "$@" > "$log" 2>&1 < /dev/null 9>&-; then return; fi
    errors=$(grep -E '(error|Error)[ :]|undefined reference|[*][*][*]' "$log" | sort -u | head -n 40) || true
    printf '%s\n' "${errors:-$(tail -n 40 "$log")}" >&2
    die 1 "$what failed; the whole log is $log"
}

require_dotnet() {
    local wanted found
    wanted=$(sed -n 's/.*"version": *"\([0-9.]*\)".*/\1/p' "$root/global.json")
    if ! command -v dotnet > /dev/null; then
        die 2 "needs the .NET SDK $wanted or a newer .NET ${wanted%%.*} SDK: there is no dotnet on the PATH"
    fi
    if ! (cd -- "$root" && dotnet --version) > /dev/null 2>&1; then
        found=$(dotnet --list-sdks 2> /dev/null | cut -d' ' -f1 | tr '\n' ' ') || true
        die 2 "needs the .NET SDK $wanted or a newer .NET ${wanted%%.*} SDK: found ${found:-only a runtime}"
    fi
}

# Sets native (the folder that libtessera.so is in) and checks TESSERA_LIBTORCH.
locate_native() {
    local key=system
    if [[ -n ${TESSERA_LIBTORCH:-} ]]; then
        if [[ ! -e $TESSERA_LIBTORCH/lib/libtorch.so || ! -d $TESSERA_LIBTORCH/include ]]; then
            die 2 "TESSERA_LIBTORCH=$TESSERA_LIBTORCH is no libtorch: lib/libtorch.so and include/ have to be in it"
        fi
        TESSERA_LIBTORCH=$(cd -- "$TESSERA_LIBTORCH" && pwd -P)
        export TESSERA_LIBTORCH
        key=$(printf '%s' "$TESSERA_LIBTORCH" | sha256sum)
        key=${key:0:12}
    fi
    native=$artifacts/native/$key
    export TESSERA_NATIVE=$native/libtessera.so
}

# True when the libtorch that the native library was built against was replaced since: its time of change, as
# packages keep the time at which they were made.
libtorch_replaced() {
    local stamp=$native/stamp library
    if [[ ! -e $stamp ]]; then return 1; fi
    for library in "${TESSERA_LIBTORCH:-/usr}"/lib/{,*-linux-gnu/}libtorch_cpu.so; do
        if [[ -e $library ]]; then
            [[ -n $(find -H "$library" -newercm "$stamp" -print -quit) ]]
            return
        fi
    done
    return 1
}

native_stale() { stale "$native/stamp" "$root/native" || [[ ! -e $TESSERA_NATIVE ]] || libtorch_replaced; }

# One compiler takes up to 2 GB.
build_jobs() {
    local jobs memory
    memory=$(awk '/^MemTotal/ { print int($2 / 2000000) }' /proc/meminfo)
    jobs=$(nproc)
    echo $((memory < jobs ? (memory > 0 ? memory : 1) : jobs))
}

build_native() {
    local build=$native/build jobs
    say 'building the native library'
    # A cache of another libtorch or of a checkout that has been moved is of no use.
    if libtorch_replaced || ! grep -qsx "CMAKE_HOME_DIRECTORY:INTERNAL=$root/native" "$build/CMakeCache.txt"; then
        rm -rf -- "$build"
    fi
    mkdir -p "$build"
    touch "$native/stamp.new"
    jobs=$(build_jobs)
    quietly 'configuring the native library' "$artifacts/logs/native-configure.log" \
        cmake -S "$root/native" -B "$build" -DCMAKE_BUILD_TYPE=Release "-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=$native" \
        ${TESSERA_LIBTORCH:+"-DTESSERA_LIBTORCH=$TESSERA_LIBTORCH"}
    quietly 'building the native library' "$artifacts/logs/native-build.log" cmake --build "$build" --parallel "$jobs"
    if [[ ! -e $TESSERA_NATIVE ]]; then die 1 "the native build made no $TESSERA_NATIVE"; fi
    mv -- "$native/stamp.new" "$native/stamp"
}

# What a managed build reads besides the project's own folder.
# The native library's sources ride inside of an assembly.
managed_inputs() { printf '%s\n' "$root"/{src,native,global.json,tests/Directory.Build.props} "$root"/Directory.*.props; }

# A build of the whole solution serves for each of its projects.
managed_stale() {
    local name=$1
    shift
    local -a inputs
    mapfile -t inputs < <(managed_inputs)
    stale "$artifacts/stamps/$name" "${inputs[@]}" "$@" && stale "$artifacts/stamps/Tessera.slnx" "${inputs[@]}" "$@"
}

# Builds a project or solution (path from the root); the stamp is its file name.
build_managed() {
    local target=$1 name=$2
    say "building $name"
    require_dotnet
    mkdir -p "$artifacts/stamps"
    touch "$artifacts/stamps/$name.new"
    # Servers would outlive the build and hold a pipe that this script's output goes to.
    DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 quietly "building $name" "$artifacts/logs/$name-build.log" \
        dotnet build "$root/$target" -c Release -v quiet -nologo -clp:NoSummary -tl:off --disable-build-servers
    mv -- "$artifacts/stamps/$name.new" "$artifacts/stamps/$name"
}

# prepare TARGET [FOLDER...]: brings packages, native library and a project or solution (path from the root) up to
# date. Its inputs are src/ and the folders (paths from the root). Costs some 30 ms when there is nothing to do.
prepare() {
    local target=$1 name=${1##*/}
    shift
    local -a folders=("${@/#/$root/}")
    locate_native
    if command -v dotnet > /dev/null && [[ -z $(missing_packages) ]] && ! native_stale \
        && ! managed_stale "$name" "${folders[@]}"; then
        return
    fi

    # Two first starts at once: the second waits here, then finds that everything is done.
    mkdir -p "$artifacts"
    exec 9> "$artifacts/setup.lock"
    if ! flock -n 9; then
        say 'waiting for another build in this folder'
        flock 9
    fi
    require_dotnet
    install_missing
    if native_stale; then build_native; fi
    if managed_stale "$name" "${folders[@]}"; then build_managed "$target" "$name"; fi
    exec 9>&-
}
