#compdef hawser fab
# Completes `hawser` and `fab` in zsh, after `compinit`:  source <(hawser --print-completion-script=zsh)
# It reads the list that ordinary runs keep (hawser/completion/kept.py), and starts the program only where there is none.
# What is in the list is data: nothing of it is ever expanded, and zsh quotes it.

# Set `list` to the list of the project of this folder; fail where it has none.
_hawser_find() {
    local cache=${XDG_CACHE_HOME-} folder=${PWD:A}
    local -a files
    [[ $cache == /* ]] || cache=$HOME/.cache
    while :; do
        list=$cache/hawser/completion/${folder//\//%}
        [[ -r $list && -O $list ]] && return 0
        files=($folder/hosts/*.toml(N))
        # Here begins a project, or the world ends.
        [[ -e $folder/fabfile.py || -e $folder/fabfile/__init__.py || -n $files || $folder == / ]] && return 1
        folder=${folder:h}
    done
}

_hawser() {
    local list kind a b c d i word rest environment expects target before task=-
    local current=${words[CURRENT]}
    local -A tasks options targets
    local -a found shown
    if ! _hawser_find; then
        "${(Q)words[1]}" --complete </dev/null >/dev/null 2>&1
        _hawser_find || return 1
    fi
    while IFS=$'\t' read -r kind a b c d; do
        case $kind in
            (task) tasks[$a]=1 ;;
            (option) options["$a $b"]=$c ;;
            (target) [[ -n ${targets[$a]-} ]] || targets[$a]=$b ;;
        esac
    done <$list

    # The task at which the line is, what the word before expects, and the hosts that are named.
    for ((i = 2; i < CURRENT; i++)); do
        word=${(Q)words[i]}
        if [[ -n $expects ]]; then
            [[ $expects == target ]] && target=$word
            expects=
        elif [[ $word == --*=* ]]; then
            [[ ${options["- ${word%%=*}"]-} == target ]] && target=${word#*=}
        elif [[ $word == -* ]]; then
            expects=${options["$task $word"]-${options["- $word"]-}}
            [[ $expects == nothing ]] && expects=
        elif [[ -n ${tasks[$word]-} ]]; then
            task=$word
        fi
    done
    if [[ -z $expects && $current == --*=* ]]; then
        before=${current%%=*}
        expects=${options["$task $before"]-${options["- $before"]-}}
        before+==
    fi
    [[ $expects == target && ${current#$before} == *,* ]] && before+=${${current#$before}%,*},
    environment=${targets[${target%%,*}]-}

    while IFS=$'\t' read -r kind a b c d; do
        case $expects:$kind in
            (:task) [[ $current == -* ]] || { found+=("$a"); shown+=("$a  -- $b") } ;;
            (:option)
                [[ $current == -* && ($a == - || $a == "$task") ]] && { found+=("$b"); shown+=("$b  -- $d") }
                ;;
            (target:target) found+=("$before$a"); shown+=("$a  -- $c") ;;
            (release:value | revision:value | process:value)
                [[ $a == $expects && (-z $environment || $b == $environment) ]] && { found+=("$before$c"); shown+=("$c") }
                ;;
        esac
    done <$list
    if (( $#found )); then
        compadd -l -d shown -a found && return 0
    fi
    _files
}

if [[ ${zsh_eval_context[-1]-} == loadautofunc ]]; then
    _hawser "$@"
else
    compdef _hawser hawser fab
fi
