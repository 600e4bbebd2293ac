using Tessera.Models;
using Tessera.Search;
using Tessera.Search.Costs;
using Tessera.Testing;
using Tessera.Training.Experiments;
using Tessera.Training.Optimization;
using Tessera.Training.Recipes;

namespace Tessera.Tests.Search;

/// <summary>A network of ViTAS by its genome in a small space.</summary>
/// <param name="Genome">As the authors write it.</param>
internal sealed record SmallVitasOptions(string Genome) : ArchitectureOptions
{
    internal static readonly VitasSpace Space = new([4, 8], 96, 4, [1, 2, 4], 144, 192, [0.25, 0.5, 0.75, 1]);

    public override Backbone Create(ModelOptions options)
    {
        var config = Space.Configure(Space.Decode(Genome), options.ImageSize ?? (32, 32), options.Classes ?? 10, options.Channels ?? 3);
        return new Vitas(config);
    }
}

/// <summary>Blocks alone, by which they are measured.</summary>
/// <param name="Patch">Side of a patch.</param>
/// <param name="Dim">Width of the tokens.</param>
/// <param name="Copies">Number of blocks.</param>
/// <param name="Heads">Of each.</param>
/// <param name="Qkv">Of each.</param>
/// <param name="Mlp">Of each.</param>
internal sealed record SmallVitasProbe(int Patch, int Dim, int Copies, int Heads = 1, int Qkv = 3, int Mlp = 1) : ArchitectureOptions
{
    public override Backbone Create(ModelOptions options) =>
        new Vitas(
            new(
                options.ImageSize ?? (32, 32),
                Patch,
                Dim,
                [.. Enumerable.Repeat(new Vitas.BlockOptions(Heads, Qkv, Mlp), Copies)],
                options.Classes ?? 10,
                options.Channels ?? 3
            )
        );
}

/// <summary>A search over the small space, of which only the space is used.</summary>
[RecipeName("small_vitas")]
internal sealed record SmallVitas : SearchMethod
{
    static SmallVitas() => Architectures.Add(new("small_vitas", typeof(SmallVitasOptions)));

    private static VitasSpace Space => SmallVitasOptions.Space;

    public override string? RankedStage => null;

    public override IReadOnlyList<SearchStage> Stages(SearchContext context) => [];

    public override ArchitectureOptions Network(string genome, SearchContext context) => new SmallVitasOptions(genome);

    public override string Draw(Random random, SearchContext context)
    {
        int[] positions = [.. Enumerable.Range(0, Space.Depth).Select(_ => random.Next(Space.Identity + 1))];
        int[] widths = [.. Enumerable.Range(0, 1 + 2 * Space.Depth).Select(_ => random.Next(Space.Shares.Count))];
        return new VitasGenome(random.Next(Space.PatchSizes.Count), positions, widths).ToString();
    }

    public override IReadOnlyList<BlockShape> Parts(string genome, SearchContext context)
    {
        var (size, classes) = (context.ModelOptions.ImageSize!.Value, context.ModelOptions.Classes!.Value);
        var config = Space.Configure(Space.Decode(genome), size, classes, context.ModelOptions.Channels!.Value);
        var tokens = 1 + size.Height / config.Patch * (size.Width / config.Patch);
        return
        [
            TransformerParts.Surroundings(tokens, config.Channels * config.Patch * config.Patch, config.Dim, classes),
            .. config
                .Blocks.OfType<Vitas.BlockOptions>()
                .Select(block => TransformerParts.Block(tokens, config.Dim, block.Heads, block.Qkv, block.Mlp)),
        ];
    }

    public override ArchitectureOptions Probe(BlockShape shape, int copies, SearchContext context)
    {
        int Of(string name) => (int)shape.Sizes[name];
        var side = context.ModelOptions.ImageSize!.Value.Height;
        var patch = side / (int)Math.Sqrt(Of("tokens") - 1);
        return shape.Surrounds
            ? new SmallVitasProbe(patch, Of("dim"), 0)
            : new SmallVitasProbe(patch, Of("dim"), copies, Of("heads"), Of("qkv"), Of("mlp"));
    }

    /// <summary>A recipe of such a search, on pictures that it writes.</summary>
    /// <param name="folder">Where they go.</param>
    /// <param name="budget">What networks may cost.</param>
    internal static SearchRecipe Recipe(TempFolder folder, Budget? budget = null)
    {
        foreach (var split in new[] { "train", "test" })
            for (var i = 0; i < 8; i++)
                folder.Write(
                    $"images/{split}/{(i % 2 == 0 ? "dark" : "light")}/{i}.ppm",
                    Pnm.Colored(i % 2 == 0 ? 30 + i : 220 - i, 32, 32)
                );
        return new(
            new SmallVitas(),
            new DataRecipe("image_folder") { Root = folder["images"], Batch = 4 },
            new TrainingSettings(new AdamWOptions(1e-3), new CosineOptions(Epochs: 1), Train: new() { Threads = 1 }),
            budget,
            [32]
        );
    }
}
