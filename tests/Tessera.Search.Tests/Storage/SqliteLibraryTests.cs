using System.Globalization;
using Tessera.Search;
using Tessera.Search.Storage;
using Tessera.Testing;
using Tessera.Training;

namespace Tessera.Tests.Search.Storage;

public sealed class SqliteLibraryTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void It_calls_its_own_functions_also_beside_the_systems_library_of_the_same_names()
    {
        // Functions that call each other, after libtorch has brought what it needs.
        using var tensor = Torch.Zeros([1]);
        for (var i = 0; i < 3; i++)
        {
            var text = folder.Write($"{i.ToString(CultureInfo.InvariantCulture)}.db", new string('x', 4096));
            Assert.Throws<RunException>(() => new SqliteStore(text, 0));
            using var store = new SqliteStore(folder[$"good-{i.ToString(CultureInfo.InvariantCulture)}.db"], 0);
            store.Add("stage", 0, [new("a", new()), new("b", new())]);
            Assert.NotNull(store.Lease("stage", "worker", TimeSpan.FromMinutes(1), 2));
            Assert.Equal(2, store.Read().Count);
        }
    }
}
