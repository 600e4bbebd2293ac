namespace Tessera.Cli.Tests;

/// <summary><c>tessera search measure</c> and <c>search judge</c> with a small search of PNAS.</summary>
public sealed class SearchMeasureTests : IDisposable
{
    private const string Name = "small.yaml";

    private readonly Workplace place = new();

    public SearchMeasureTests() =>
        place.Write(
            Name,
            $$"""
            search:
              name: pnas
              blocks: 2
              keep: 2
              first: 3
              cells: 1
              filters: 4
              proxy:
                optimizer: { name: adamw, lr: 1e-3 }
                schedule: { name: cosine, epochs: 1 }
                train: { threads: 1 }
              found: { cells: 1, filters: 4 }
            data: { name: fashion_mnist, root: {{place.Data}}, batch: 32 }
            retrain:
              optimizer: { name: adamw, lr: 1e-3 }
              schedule: { name: cosine, epochs: 2 }
              train: { threads: 1 }
            """
        );

    public void Dispose() => place.Dispose();

    private Ended Run(params string[] arguments) => place.Run(["search", .. arguments]);

    [Fact]
    public void Parts_are_measured_once_and_networks_are_compared_with_their_prediction()
    {
        string[] measure = ["measure", Name, "--out", "table.json", "--engine", "eager", "--seconds", "0", "--check", "2", "--json"];
        var found = Run(measure).Succeeded().Json;
        Assert.InRange(found.GetProperty("parts").GetInt32(), 10, 20);
        Assert.Equal(2, found.GetProperty("networks").GetArrayLength());
        Assert.True(found.GetProperty("reference_ms").GetDouble() > 0);
        var written = File.ReadAllBytes(Path.Combine(place.Folder, "table.json"));
        Run(measure).Succeeded();
        Assert.Equal(written, File.ReadAllBytes(Path.Combine(place.Folder, "table.json")));
        Assert.Contains(
            "cannot be gone on with",
            Run("measure", Name, "--out", "table.json", "--engine", "eager", "--batch", "2").UserError(),
            StringComparison.Ordinal
        );
    }

    [Theory]
    [InlineData("measure small.yaml --out t.json --shapes 301", "at most 300")]
    [InlineData("measure small.yaml --out t.json --shapes 2", "one of each kind")]
    [InlineData("measure small.yaml --out t.json --threads 100000", "--threads must be at most")]
    [InlineData("measure small.yaml --out t.json --precision fp8", "fp8")]
    [InlineData("measure missing.yaml --out t.json", "missing.yaml")]
    [InlineData("judge no_search", "there is no search")]
    public void What_cannot_be_measured_or_judged_is_told(string line, string message) =>
        Assert.Contains(message, Run(line.Split(' ')).UserError(), StringComparison.Ordinal);

    [Fact]
    public void A_search_is_judged_and_its_judgement_gone_on_with()
    {
        Run(Name, "--out", "found", "--no-retrain", "--quiet").Succeeded();
        string[] judge = ["judge", "found", "--random", "2", "--epochs", "1", "--json"];
        var judgement = Run(judge).Succeeded().Json;
        var verdict = judgement.GetProperty("verdict").GetString()!;
        Assert.Contains("search", verdict, StringComparison.Ordinal);
        Assert.Equal(
            ["winner", "random", "random"],
            judgement.GetProperty("networks").EnumerateArray().Select(one => one.GetProperty("role").GetString())
        );
        Assert.True(File.Exists(Path.Combine(place.Folder, "found", "judge", "random-1", "report.html")));
        Assert.Contains("--resume", Run(judge).UserError(), StringComparison.Ordinal);
        Assert.Equal(verdict, Run([.. judge, "--resume"]).Succeeded().Json.GetProperty("verdict").GetString());
    }
}
