using System.Net;
using System.Net.Sockets;
using System.Runtime.ExceptionServices;
using Tessera.Distributed;

namespace Tessera.Testing;

/// <summary>The processes of a group as threads of one: they meet at a real store and exchange over real connections.</summary>
public static class Ranks
{
    /// <summary>Runs a body for every rank; what the lowest rank that fails throws comes out.</summary>
    public static T[] Run<T>(int size, Func<ProcessGroup, T> body, double seconds = 60)
    {
        var port = FreePort();
        var results = new T[size];
        var errors = new Exception?[size];
        var threads = Enumerable
            .Range(0, size)
            .Select(rank => new Thread(() =>
            {
                try
                {
                    using var group = ProcessGroup.Join(At(rank, size, port, seconds));
                    try
                    {
                        results[rank] = body(group);
                        group.Complete();
                    }
                    catch (Exception error)
                    {
                        group.Fail(error);
                        throw;
                    }
                }
                catch (Exception error)
                {
                    errors[rank] = error;
                }
            }))
            .ToArray();
        foreach (var thread in threads)
            thread.Start();
        foreach (var thread in threads)
            thread.Join();
        // What the others throw is that this one was lost.
        if (
            (
                errors.FirstOrDefault(error => error is not (null or WorkerLostException))
                ?? errors.FirstOrDefault(error => error is not null)
            ) is
            { } first
        )
            ExceptionDispatchInfo.Throw(first);
        return results;
    }

    /// <summary>The environment of a rank on this machine.</summary>
    public static WorkerEnvironment At(int rank, int size, int port, double seconds) =>
        new(rank, size, rank, size, "127.0.0.1", port, TimeSpan.FromSeconds(seconds));

    /// <summary>A port that nobody listens at.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
