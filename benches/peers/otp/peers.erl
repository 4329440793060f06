%% The jobs of OTP's supervisor. Prints one figure a line: its name and its value, times in nanoseconds.
-module(peers).
-behaviour(supervisor).
-export([main/1, init/1, start_mayfly/2, start_worker/1, worker/1, start_idle/0, idle/1, start_tree/2]).

main([Job, Size]) ->
    job(Job, list_to_integer(Size)),
    halt(0).

%% After a second the list of restarts is as long as it gets, so these are enough.
job("W1/stop", N) -> restarts(min(N, 50000), stop);
job("W1/panic", N) -> restarts(min(N, 50000), panic);
job("W2", N) -> answers(N);
job("W3", N) -> messages(N);
job("W4/" ++ _, N) -> idle_children(N);
job("W5/concurrent", N) -> stop_all(N, simple);
job("W5/reverse", N) -> stop_all(N, one_for_one);
job("W6/stop", N) -> storm(N, stop);
job("W6/panic", N) -> storm(N, panic);
job("W7", N) -> remove(N);
job("W8/nested", _) -> tree(8, 4);
job("W8/flat", N) -> tree(1, N);
job("W10", N) -> churn(N).

%% What the supervisors are: one that never gives up, with these children, or with children of one kind.
init({simple, Start}) ->
    {ok, {flags(simple_one_for_one), [child(child, Start, worker)]}};
init({children, Children}) ->
    {ok, {flags(one_for_one), Children}}.

flags(Strategy) ->
    #{strategy => Strategy, intensity => 1000000000, period => 1}.

child(Id, Start, Type) ->
    Shutdown = case Type of worker -> 5000; supervisor -> infinity end,
    #{id => Id, start => Start, restart => permanent, shutdown => Shutdown, type => Type}.

start(Init) ->
    process_flag(trap_exit, true),
    {ok, Root} = supervisor:start_link(?MODULE, Init),
    Root.

%% A child that ends at once, as long as more ends are expected.
start_mayfly(Counter, Fate) ->
    {ok, proc_lib:spawn_link(fun() -> mayfly(Counter, Fate) end)}.

mayfly({Counter, Last, Who}, Fate) ->
    case counters:get(Counter, 1) + 1 of
        Last -> Who ! done, timer:sleep(infinity);
        N -> counters:put(Counter, 1, N), 'end'(Fate)
    end.

'end'(stop) -> exit(normal);
'end'(panic) -> error(as_it_was_told).

restarts(N, Fate) ->
    Counter = {counters:new(1, []), N, self()},
    Begin = now_ns(),
    start({children, [child(mayfly, {?MODULE, start_mayfly, [Counter, Fate]}, worker)]}),
    receive done -> ok end,
    print("restarts", N * 1.0e9 / (now_ns() - Begin)).

%% A child that answers, adds up and fails, as it is told. It tells of its birth, since its mailbox is new.
start_worker(Who) ->
    proc_lib:start_link(?MODULE, worker, [Who]).

worker(Who) ->
    proc_lib:init_ack({ok, self()}),
    Who ! {born, self()},
    work(0).

work(Sum) ->
    receive
        {number, Number} -> work(Sum + Number);
        {ask, Number, Who} -> Who ! {sum, Sum + Number}, work(Sum + Number);
        {'end', Fate} -> 'end'(Fate)
    end.

born() -> receive {born, Worker} -> Worker end.

ask(Worker, Number) ->
    Worker ! {ask, Number, self()},
    receive {sum, Sum} -> Sum end.

answers(N) ->
    start({children, [child(worker, {?MODULE, start_worker, [self()]}, worker)]}),
    Times = lists:sort(answers(N, born(), [])),
    {Median, P99} = {quantile(Times, N, 0.5), quantile(Times, N, 0.99)},
    print("median", Median), print("p99", P99), print("spread", P99 / Median).

answers(0, _, Times) -> Times;
answers(N, Worker, Times) ->
    Begin = now_ns(),
    Worker ! {'end', panic},
    Next = born(),
    ask(Next, 1),
    answers(N - 1, Next, [now_ns() - Begin | Times]).

messages(Rounds) ->
    start({children, [child(worker, {?MODULE, start_worker, [self()]}, worker)]}),
    Worker = born(),
    Batch = lists:seq(1, 10000),
    Measure = fun(_) ->
        Begin = now_ns(),
        [Worker ! {number, Number} || Number <- Batch],
        ask(Worker, 0),
        Middle = now_ns(),
        [ask(Worker, Number) || Number <- Batch],
        {(Middle - Begin) / 10000, (now_ns() - Middle) / 10000}
    end,
    {Forget, Reply} = lists:unzip(lists:map(Measure, lists:seq(1, Rounds))),
    print("forget", quantile(lists:sort(Forget), Rounds, 0.5)),
    print("reply", quantile(lists:sort(Reply), Rounds, 0.5)).

%% A child that does nothing, in as little memory as may be.
start_idle() ->
    proc_lib:start_link(?MODULE, idle, [self()]).

idle(Parent) ->
    proc_lib:init_ack(Parent, {ok, self()}),
    proc_lib:hibernate(erlang, apply, [fun() -> receive stop -> ok end end, []]).

idlers(N) ->
    Root = start({simple, {?MODULE, start_idle, []}}),
    {Root, add(Root, N)}.

add(Root, N) -> [element(2, supervisor:start_child(Root, [])) || _ <- lists:seq(1, N)].

idle_children(N) ->
    {Before, Begin} = {rss(), now_ns()},
    {_Root, Children} = idlers(N),
    Add = (now_ns() - Begin) / N,
    print("add", Add), print("answered", Add),
    garbage_collect(),
    print("rss", (rss() - Before) / length(Children)).

stop_all(N, simple) ->
    {Root, _} = idlers(N),
    stop(Root);
stop_all(N, one_for_one) ->
    Start = {?MODULE, start_idle, []},
    stop(start({children, [child(Id, Start, worker) || Id <- lists:seq(1, N)]})).

stop(Root) ->
    Begin = now_ns(),
    gen_server:stop(Root, shutdown, infinity),
    print("stop", now_ns() - Begin).

storm(N, Fate) ->
    Root = start({simple, {?MODULE, start_worker, [self()]}}),
    Workers = add(Root, N),
    [born() || _ <- Workers],
    Begin = now_ns(),
    [Worker ! {'end', Fate} || Worker <- Workers],
    [born() ! {ask, 1, self()} || _ <- Workers],
    [receive {sum, _} -> ok end || _ <- Workers],
    print("back", now_ns() - Begin).

remove(N) ->
    {Root, Children} = idlers(N),
    rand:seed(exsss, 7),
    Shuffled = [Child || {_, Child} <- lists:sort([{rand:uniform(), Child} || Child <- Children])],
    Removed = lists:sublist(Shuffled, N div 10),
    Begin = now_ns(),
    [ok = supervisor:terminate_child(Root, Child) || Child <- Removed],
    print("remove", (now_ns() - Begin) / length(Removed)).

churn(N) ->
    Root = start({simple, {?MODULE, start_idle, []}}),
    Round = fun(_) ->
        [ok = supervisor:terminate_child(Root, Child) || Child <- add(Root, N)],
        rss()
    end,
    Rss = lists:map(Round, lists:seq(1, 10)),
    print("rss-second", lists:nth(2, Rss)), print("rss-last", lists:last(Rss)).

%% A supervisor of supervisors and, at the bottom, of idle children.
start_tree(Depth, Width) ->
    {Start, Type} = case Depth of
        1 -> {{?MODULE, start_idle, []}, worker};
        _ -> {{?MODULE, start_tree, [Depth - 1, Width]}, supervisor}
    end,
    supervisor:start_link(?MODULE, {children, [child(Id, Start, Type) || Id <- lists:seq(1, Width)]}).

tree(Depth, Width) ->
    process_flag(trap_exit, true),
    Begin = now_ns(),
    {ok, Root} = start_tree(Depth, Width),
    Started = now_ns(),
    65536 = leaves(Root),
    print("tree", now_ns() - Started), print("start", Started - Begin),
    stop(Root).

leaves(Supervisor) ->
    Leaves = fun({_, _, worker, _}) -> 1; ({_, Child, supervisor, _}) -> leaves(Child) end,
    lists:sum(lists:map(Leaves, supervisor:which_children(Supervisor))).

quantile(Sorted, N, Share) -> lists:nth(1 + round((N - 1) * Share), Sorted).

now_ns() -> erlang:monotonic_time(nanosecond).

%% Bytes.
rss() ->
    {ok, Statm} = file:read_file("/proc/self/statm"),
    [_, Pages | _] = string:lexemes(Statm, " "),
    binary_to_integer(Pages) * 4096.

print(Name, Value) -> io:format("~s ~w~n", [Name, Value * 1.0]).
