// A search over blocks of one's own: the network, the space and the method in one file; stages, database and resuming are the library's:
//   dotnet run --project samples/own_search -- PHOTOS OUT
using System.Globalization;
using OwnSearch;
using Tessera;
using Tessera.Data.Transforms;
using Tessera.Models;
using Tessera.Nn;
using Tessera.Search;
using Tessera.Search.Running;
using Tessera.Training.Experiments;
using Tessera.Training.Optimization;
using Tessera.Training.Recipes;

if (args is not [var photos, var output])
{
    Console.Error.WriteLine("usage: own_search PHOTOS OUT");
    return 2;
}
Architectures.Add(new("chain", typeof(ChainOptions)));
RecipeParts.Register<RandomSearch>();

var recipe = new SearchRecipe(
    new RandomSearch(Population: 4, Generations: 2),
    new DataRecipe("image_folder")
    {
        Root = photos,
        Batch = 16,
        Minival = 0.25,
    },
    new TrainingSettings(
        new AdamWOptions(LearningRate: 5e-3),
        new CosineOptions(Epochs: 6),
        Augment: [new Squash(32), new RandomHorizontalFlip()]
    ),
    new Budget(Parameters: [20_000]),
    ImageSize: [32]
);
using var search = SearchRun.Begin(recipe, output);
var outcome = search.Run();
foreach (var network in outcome.Ranking.Take(3))
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{network.Genome}  {network.Candidate!.Score:0.000}"));
Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"winner {outcome.Retrained[^1].Score:0.000}"));
return 0;

namespace OwnSearch
{
    /// <summary>A network of the space by its genome, such as <c>8-16-32</c>: the widths of its blocks.</summary>
    /// <param name="Widths">The genome.</param>
    internal sealed record ChainOptions(string Widths) : ArchitectureOptions
    {
        /// <inheritdoc/>
        public override Backbone Create(ModelOptions options) =>
            new Chain(
                (Chain.Config)
                    new Chain.Config(
                        options.ImageSize ?? (32, 32),
                        [.. Widths.Split('-').Select(width => int.Parse(width, CultureInfo.InvariantCulture))]
                    ).With(options)
            );
    }

    /// <summary>A block of my own: a convolution that halves the size, a norm, ReLU.</summary>
    internal sealed partial class Block(int inputs, int width) : Layer
    {
        private readonly Conv2d conv = new(inputs, width, 3, 2, 1);
        private readonly BatchNorm norm = new(width);

        protected override Tensor Forward(Tensor input) => norm.Call(conv.Call(input)).Relu();
    }

    /// <summary>Blocks, the mean over all positions and a linear map.</summary>
    internal sealed partial class Chain : Backbone<Chain.Config>
    {
        internal sealed record Config((int Height, int Width) ImageSize, IReadOnlyList<int> Widths, int Classes = 10, int Channels = 3)
            : BackboneConfig;

        private readonly ModuleList<Block> blocks;
        private Linear? head;

        internal Chain(Config config)
            : base(config)
        {
            blocks = new(config.Widths.Select((width, i) => new Block(i == 0 ? config.Channels : config.Widths[i - 1], width)));
            head = InitialClassifier();
        }

        public override int NumFeatures => Options.Widths[^1];

        public override IReadOnlyList<string> BlockPaths => [.. Enumerable.Range(0, blocks.Count).Select(i => $"blocks.{i}")];

        protected override ref Linear? Classifier => ref head;

        protected override Tensor Features(Tensor input) // [B, C, H, W] -> [B, D, h, w]
        {
            var x = input;
            foreach (var block in blocks)
                x = block.Call(x);
            return x;
        }

        protected override Tensor Pool(Tensor features) => features.Mean([2, 3]); // [B, D]

        protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input) => [new(Features(input), Stride: 1 << blocks.Count)];
    }

    /// <summary>Networks by chance, each trained for a little. In YAML: <c>search: { name: random_chain, population: 4 }</c>.</summary>
    /// <param name="Population">Networks of a generation.</param>
    /// <param name="Generations">Generations in all.</param>
    [RecipeName("random_chain")]
    internal sealed record RandomSearch(int Population = 4, int Generations = 2) : SearchMethod
    {
        private static readonly int[] widths = [8, 16, 24, 32];

        public override string RankedStage => "trained";

        public override IReadOnlyList<SearchStage> Stages(SearchContext context) => [new RandomStage(this, context)];

        public override ArchitectureOptions Network(string genome, SearchContext context) => new ChainOptions(genome);

        public override string Draw(Random random, SearchContext context) =>
            string.Join('-', Enumerable.Range(0, 3).Select(_ => widths[random.Next(widths.Length)]));
    }

    /// <summary>Generations of networks by chance, within the budget.</summary>
    internal sealed record RandomStage(RandomSearch Method, SearchContext Context) : CandidateStage("trained")
    {
        public override int? Generations => Method.Generations;

        public override IReadOnlyList<Proposal>? Propose(IReadOnlyList<IReadOnlyList<Candidate>> before, CancellationToken stop)
        {
            if (before.Count == Method.Generations)
                return null;
            // A function of the seed and of what was proposed before, so that a search that is resumed proposes the same.
            var random = new Random((int)Context.Recipe.Seed + before.Count);
            var known = before.SelectMany(generation => generation).Select(candidate => candidate.Genome).ToHashSet();
            var proposals = new List<Proposal>();
            while (proposals.Count < Method.Population)
            {
                stop.ThrowIfCancellationRequested();
                var genome = Method.Draw(random, Context);
                var cost = Context.CostOf(genome);
                if (Context.Recipe.Limits.Allows(cost) && known.Add(genome))
                    proposals.Add(new(genome, cost));
            }
            return proposals;
        }

        public override CandidateScorer CreateScorer() => new ShortTraining(Context);
    }

    /// <summary>Scores a network by a training of two epochs, on what is held out of the training images.</summary>
    internal sealed class ShortTraining(SearchContext context) : CandidateScorer
    {
        public override CandidateScore Score(string genome, ulong seed, CancellationToken stop)
        {
            var settings = context.Recipe.Retrain with { Schedule = new CosineOptions(Epochs: 2), Evaluation = new(Split: "minival") };
            var model = new ModelRecipe(new ChainOptions(genome)) { ImageSize = context.Recipe.ImageSize };
            var folder = Directory.CreateTempSubdirectory("own-search-");
            try
            {
                using var experiment = Experiment.Begin(settings.With(model, context.SearchData, seed: seed), folder.FullName, stop: stop);
                var result = experiment.Train(stop);
                if (!result.Completed)
                    throw new OperationCanceledException(stop);
                var share = result.Last!.Score.Value;
                return new(share, Math.Sqrt(share * (1 - share) / result.Last.Count));
            }
            finally
            {
                folder.Delete(recursive: true);
            }
        }
    }
}
