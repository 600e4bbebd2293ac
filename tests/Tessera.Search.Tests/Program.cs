using Tessera.Search;
using Tessera.Search.Running;
using Tessera.Search.Storage;
using Tessera.Tests.Search.Toys;
using Tessera.Training;

namespace Tessera.Tests.Search;

/// <summary>What tests start as processes of their own.</summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        try
        {
            Run(arguments);
            return 0;
        }
        catch (RunException error)
        {
            Console.Error.WriteLine(error.Message);
            return 2;
        }
    }

    private static void Run(string[] arguments)
    {
        switch (arguments)
        {
            case ["search", var folder]:
                Toy.Run(folder);
                break;
            case ["score", var folder, var genome]:
            {
                using var search = SearchRun.Open(folder);
                if (Rescoring.Of(search, genome).IsEqual != true)
                    throw new InvalidOperationException("not the score of the database");
                break;
            }
            case ["work", var folder, var stage, var name]:
            {
                using var stop = new CancellationTokenSource();
                var input = new Thread(() =>
                {
                    while (Console.In.Read() >= 0) { }
                    stop.Cancel();
                });
                input.Start();
                SearchWorker.Serve(folder, stage, name, stop.Token);
                input.Join();
                break;
            }
            case ["lease", var path, var name]:
            {
                using var store = new SqliteStore(path, 0);
                while (store.Lease("stage", name, TimeSpan.FromMinutes(1), 1) is { } candidate)
                {
                    Console.WriteLine(candidate.Genome);
                    store.Complete(candidate.Id, name, new(1, 0), 0);
                }
                break;
            }
            case ["write", var path]:
            {
                using var store = new SqliteStore(path, 0);
                for (var generation = 0; ; generation++)
                    store.Add("stage", generation, [.. Enumerable.Range(0, 7).Select(i => new Proposal($"{generation}-{i}", new()))]);
            }
            default:
                throw new ArgumentException($"the program does not know {string.Join(' ', arguments)}");
        }
    }
}
