using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text;
using Tessera.Native;

namespace Tessera.Distributed;

/// <summary>The part of a process in a forward pass that all processes compute together.</summary>
public enum Participation
{
    /// <summary>Its samples count.</summary>
    Full,

    /// <summary>It takes part, but its samples count nothing: none of the batch fell to it.</summary>
    Listening,

    /// <summary>It computes by itself: the others do not run this pass.</summary>
    Alone,
}

/// <summary>
/// The processes that train together, and what they exchange: over gloo between processors, over NCCL between GPUs, by the device
/// of the tensor. All processes call the same methods in the same order. When one is lost, the others get an exception
/// that names its rank within <see cref="WorkerEnvironment.Timeout"/>.
/// </summary>
public sealed class ProcessGroup : IDisposable
{
    private readonly WorkerEnvironment environment;
    private readonly KeyStore store;
    private readonly Heartbeat heartbeat;
    private readonly Dictionary<DeviceType, GroupHandle> groups = [];
    private readonly string address;

    private ProcessGroup(WorkerEnvironment environment)
    {
        this.environment = environment;
        store = Open(environment);
        try
        {
            var names = Meet(environment, store);
            address = Imports.HasGloo() != 0 ? OwnAddress(environment) : "";
            heartbeat = new(environment, names);
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    /// <summary>The group that the environment variables describe; null for a process that trains alone.</summary>
    /// <exception cref="DistributedException">A variable makes no sense, or not all processes come within the time-out.</exception>
    public static ProcessGroup? FromEnvironment() => WorkerEnvironment.Read() is { } environment ? Join(environment) : null;

    /// <summary>Waits for all processes.</summary>
    /// <exception cref="DistributedException">Not all come within the time-out, or one expects another number of them.</exception>
    public static ProcessGroup Join(WorkerEnvironment environment)
    {
        var group = new ProcessGroup(environment);
        try
        {
            group.Barrier();
        }
        catch
        {
            group.Dispose();
            throw;
        }
        return group;
    }

    /// <summary>Rank of this process, from 0.</summary>
    public int Rank => environment.Rank;

    /// <summary>Number of processes.</summary>
    public int Size => environment.Size;

    /// <summary>Rank among the processes of this machine, from 0.</summary>
    public int LocalRank => environment.LocalRank;

    /// <summary>Number of processes on this machine.</summary>
    public int LocalSize => environment.LocalSize;

    /// <summary>Whether it is rank 0, which writes.</summary>
    public bool IsFirst => Rank == 0;

    /// <summary>Where this process stands, for the error when another one lags behind.</summary>
    public long Step
    {
        set => heartbeat.Step = value;
    }

    /// <summary>The part of this process in the current forward pass.</summary>
    public Participation Participation { get; set; }

    private static KeyStore Open(WorkerEnvironment environment)
    {
        try
        {
            return new(environment.Address, environment.Port, environment.Rank == 0, environment.Timeout);
        }
        catch (TorchException error) when (environment.Rank == 0)
        {
            throw new DistributedException(
                $"rank 0 cannot listen at port {environment.Port}: {error.Message.ReplaceLineEndings(" ")}; choose another MASTER_PORT",
                0,
                error
            );
        }
        catch (TorchException error)
        {
            throw new WorkerLostException(
                $"rank 0 was not found at {environment.Address}:{environment.Port} within {environment.Timeout.TotalSeconds:0.#} s "
                    + $"(MASTER_ADDR, MASTER_PORT); this is rank {environment.Rank} of {environment.Size}",
                0,
                error
            );
        }
    }

    // Machine and process of each rank, once all are there.
    private static string[] Meet(WorkerEnvironment environment, KeyStore store)
    {
        const string all = "all-arrived";
        store.Set(ArrivalKey(environment.Rank), $"{environment.Size} {Dns.GetHostName()}, process {Environment.ProcessId}");
        if (environment.Rank == 0)
            store.Set(all, Arrivals(environment, store));
        string said;
        try
        {
            // Rank 0 may have begun to wait later than this one.
            said = store.Get(all, 2 * environment.Timeout);
        }
        catch (CommunicationException error)
        {
            throw new WorkerLostException(
                $"rank 0 did not say within {2 * environment.Timeout.TotalSeconds:0.#} s "
                    + $"whether all {environment.Size} processes have come",
                0,
                error
            );
        }
        var lines = said.Split('\n');
        if (lines.Length == environment.Size && !said.StartsWith('!'))
            return lines;
        var rank = int.Parse(lines[0][1..], CultureInfo.InvariantCulture);
        store.Set(ToldKey(environment.Rank), "1");
        // Rank 0 goes last, as the store goes with it.
        if (environment.Rank == 0)
            store.Await([.. Enumerable.Range(1, environment.Size - 1).Select(ToldKey)], TimeSpan.FromSeconds(1));
        throw lines[1].Contains("expects", StringComparison.Ordinal)
            ? (DistributedException)new WorkerDisagreementException(lines[1], rank)
            : new WorkerLostException(lines[1], rank);
    }

    private static string ArrivalKey(int rank) => $"arrived/{rank}";

    private static string ToldKey(int rank) => $"told/{rank}";

    private static string Arrivals(WorkerEnvironment environment, KeyStore store)
    {
        var names = new List<string>();
        foreach (var arrival in store.Follow(Enumerable.Range(0, environment.Size).Select(ArrivalKey), environment.Timeout))
        {
            var (rank, cut) = (names.Count, arrival.IndexOf(' ', StringComparison.Ordinal));
            if (arrival[..cut] != environment.Size.ToString(CultureInfo.InvariantCulture))
                return $"!{rank}\nrank {rank} ({arrival[(cut + 1)..]}) expects {arrival[..cut]} processes, "
                    + $"rank 0 expects {environment.Size}: WORLD_SIZE must be the same";
            names.Add(arrival[(cut + 1)..]);
        }
        if (names.Count == environment.Size)
            return string.Join('\n', names);
        var missing = Enumerable
            .Range(names.Count, environment.Size - names.Count)
            .Where(rank => rank == names.Count || !store.Has(ArrivalKey(rank)))
            .ToArray();
        return string.Create(
            CultureInfo.InvariantCulture,
            $"!{missing[0]}\nrank {string.Join(", ", missing)} of {environment.Size} "
                + $"did not come within {environment.Timeout.TotalSeconds:0.#} s"
        );
    }

    // The address by which this machine reaches rank 0 is one by which the others reach this machine. The host's own name often
    // stands for a loopback address, at which nobody else finds it.
    private static string OwnAddress(WorkerEnvironment environment)
    {
        if (
            environment.Address is "localhost"
            || (IPAddress.TryParse(environment.Address, out var literal) && IPAddress.IsLoopback(literal))
        )
            return "127.0.0.1";
        try
        {
            using var socket = new Socket(SocketType.Dgram, ProtocolType.Udp);
            socket.Connect(environment.Address, environment.Port);
            var own = ((IPEndPoint)socket.LocalEndPoint!).Address;
            if (own.IsIPv4MappedToIPv6)
                own = own.MapToIPv4();
            if (!IPAddress.IsLoopback(own))
                return own.ToString();
            var others = NetworkInterface
                .GetAllNetworkInterfaces()
                .Where(i => i.OperationalStatus == OperationalStatus.Up)
                .SelectMany(i => i.GetIPProperties().UnicastAddresses)
                .Select(a => a.Address)
                .Where(a => a.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(a));
            return environment.LocalSize == environment.Size ? "127.0.0.1" : others.FirstOrDefault()?.ToString() ?? own.ToString();
        }
        catch (SocketException error)
        {
            throw new DistributedException($"MASTER_ADDR={environment.Address}: {error.Message}", null, error);
        }
    }

    /// <summary>Makes a tensor the same everywhere, in place.</summary>
    /// <param name="tensor">Of the same shape and type in all processes.</param>
    /// <param name="root">Rank whose values are taken.</param>
    public void Broadcast(Tensor tensor, int root = 0) =>
        InPlace(tensor, (group, moved) => Imports.GroupBroadcast(group, moved.Handle, root));

    /// <summary>Sums over all processes, in place; all get the same bits.</summary>
    public void AllReduce(Tensor tensor) => InPlace(tensor, (group, moved) => Imports.GroupAllReduce(group, moved.Handle));

    /// <summary>The tensors of all processes, [size, ...].</summary>
    /// <param name="tensor">Of the same shape and type in all processes.</param>
    public Tensor AllGather(Tensor tensor)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var (group, device) = GroupFor(tensor);
        var input = tensor.Detach().To(device: device).Contiguous();
        var output = Torch.Empty(new IntList([Size, .. input.Shape.AsSpan()]), input.DType, device: device);
        Guard(() => Dispatcher.Check(Imports.GroupAllGather(group, input.Handle, output.Handle)));
        return scope.Return(output.Device == tensor.Device ? output : output.To(device: tensor.Device));
    }

    /// <summary>Waits until all processes are here.</summary>
    public void Barrier() => Sum(0);

    /// <summary>Sums of numbers over all processes.</summary>
    public double[] Sum(params ReadOnlySpan<double> values)
    {
        using var scope = new Scope();
        var tensor = Tensor.From(values);
        AllReduce(tensor);
        return tensor.ToArray<double>();
    }

    /// <summary>Whether it holds in any process.</summary>
    public bool Any(bool here) => Sum(here ? 1 : 0)[0] > 0;

    /// <summary>A text of each process, by rank.</summary>
    public string[] Gather(string text)
    {
        using var scope = new Scope();
        var bytes = Encoding.UTF8.GetBytes(text);
        var lengths = AllGather(Tensor.Of((long)bytes.Length)).ToArray<long>();
        var longest = (int)lengths.Max();
        if (longest == 0)
            return [.. lengths.Select(_ => "")];
        var padded = new byte[longest];
        bytes.CopyTo(padded, 0);
        var all = AllGather(Tensor.From(padded)).ToArray<byte>();
        return [.. lengths.Select((length, rank) => Encoding.UTF8.GetString(all, rank * longest, (int)length))];
    }

    /// <summary>A text of rank 0, for all.</summary>
    /// <param name="text">The text; only the text of rank 0 counts.</param>
    public string Broadcast(string text) => Gather(IsFirst ? text : "")[0];

    /// <summary>Named tensors of rank 0, for all; owned by the current scope.</summary>
    /// <param name="named">Those of rank 0; nothing elsewhere.</param>
    public OrderedDictionary<string, Tensor> Broadcast(IReadOnlyDictionary<string, Tensor>? named)
    {
        var list = Broadcast(
            string.Join(
                '\n',
                named?.Select(pair => $"{pair.Key}\t{(int)pair.Value.DType}\t{string.Join(',', pair.Value.Shape.ToArray())}") ?? []
            )
        );
        var result = new OrderedDictionary<string, Tensor>();
        foreach (var line in list.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var parts = line.Split('\t');
            var shape = parts[2]
                .Split(',', StringSplitOptions.RemoveEmptyEntries)
                .Select(size => long.Parse(size, CultureInfo.InvariantCulture))
                .ToArray();
            var tensor =
                named is not null && IsFirst
                    ? named[parts[0]].Detach().Contiguous()
                    : Torch.Empty(new IntList(shape), (DType)int.Parse(parts[1], CultureInfo.InvariantCulture));
            if (tensor.Elements > 0)
                Broadcast(tensor);
            result.Add(parts[0], tensor);
        }
        return result;
    }

    /// <summary>Checks that all processes were started alike.</summary>
    /// <param name="statements">Texts by name, which must be the same in all processes; they are compared line by line.</param>
    /// <exception cref="WorkerDisagreementException">A process has a different text than rank 0.</exception>
    public void Agree(params IReadOnlyList<(string Name, string Value)> statements)
    {
        foreach (var (name, value) in statements)
        {
            var said = Gather(value);
            if (Array.FindIndex(said, other => other != said[0]) is var rank and > 0)
                throw new WorkerDisagreementException(Difference(name, rank, said[rank], said[0]), rank);
        }
    }

    private static string Difference(string name, int rank, string other, string first)
    {
        var (theirs, ours) = (other.Split('\n'), first.Split('\n'));
        var line = Enumerable
            .Range(0, Math.Max(theirs.Length, ours.Length))
            .First(i => theirs.ElementAtOrDefault(i) != ours.ElementAtOrDefault(i));
        return $"rank {rank} was started with another {name} than rank 0: "
            + $"'{theirs.ElementAtOrDefault(line)?.Trim()}', not '{ours.ElementAtOrDefault(line)?.Trim()}'";
    }

    /// <summary>Runs something in which processes exchange tensors; when that fails, says who is to blame.</summary>
    /// <exception cref="DistributedException">A process was lost, or lags behind.</exception>
    public void Guard(Action exchange)
    {
        try
        {
            exchange();
        }
        catch (CommunicationException error)
        {
            throw heartbeat.Explain(error);
        }
        catch (TorchException error) when (Blamed(error) is { } blamed)
        {
            // Thrown inside of a backward pass.
            throw new DistributedException(blamed.Message, blamed.Rank, error);
        }
    }

    private static DistributedException? Blamed(Exception? error) =>
        error is TorchException { InnerException: { } inner } ? inner as DistributedException ?? Blamed(inner) : null;

    /// <summary>Tells the other processes that this one ends with an error, so that their errors name it.</summary>
    public void Fail(Exception error) => heartbeat.Fail(error.Message.ReplaceLineEndings(" "));

    /// <summary>The end in good order, for all processes: rank 0 waits for the others.</summary>
    public void Complete() => Guard(heartbeat.Complete);

    internal GroupHandle HandleFor(Device device)
    {
        if (groups.TryGetValue(device.Type, out var group))
            return group;
        var cuda = device.Type == DeviceType.Cuda;
        Guard(() =>
            Dispatcher.Check(
                Imports.GroupNew(
                    store.Handle,
                    cuda ? "nccl" : "gloo",
                    Rank,
                    Size,
                    cuda ? 1 : 0,
                    address,
                    (long)environment.Timeout.TotalMilliseconds,
                    out group
                )
            )
        );
        return groups[device.Type] = group!;
    }

    // Without gloo in the native library, all goes through the GPUs.
    private (GroupHandle Group, Device Device) GroupFor(Tensor tensor)
    {
        var device =
            tensor.Device.Type == DeviceType.Cpu && Imports.HasGloo() == 0 && Cuda.IsAvailable
                ? Device.Parse($"cuda:{LocalRank}")
                : tensor.Device;
        return (HandleFor(device), device);
    }

    private void InPlace(Tensor tensor, Func<GroupHandle, Tensor, int> exchange)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var (group, device) = GroupFor(tensor);
        var plain = tensor.Detach();
        var moved = plain.To(device: device).Contiguous();
        Guard(() => Dispatcher.Check(exchange(group, moved)));
        if (moved.Handle != plain.Handle)
            plain.Copy_(moved);
    }

    /// <summary>Leaves the group.</summary>
    public void Dispose()
    {
        foreach (var group in groups.Values)
            group.Dispose();
        groups.Clear();
        heartbeat.Dispose();
        store.Dispose();
    }
}
