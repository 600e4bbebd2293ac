using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// Swin Transformer: a pyramid whose attention stays within windows, which every second block shifts by half a window.
/// Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", 2021, arXiv:2103.14030.
/// </summary>
/// <remarks>
/// Names and order of the weights are those of the authors' code: of the classifier, or, with <see cref="Config.Dense"/>, of
/// their backbone for detection and segmentation, which takes any size by padding and puts a norm after every stage.
/// </remarks>
public sealed partial class Swin : StagedTokens<Swin.Config>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="ImageSize">Height and width in pixels; a dense model takes others too.</param>
    /// <param name="Dim">Width of the first stage; each further one doubles it.</param>
    /// <param name="Depths">Blocks per stage.</param>
    /// <param name="Heads">Heads per stage.</param>
    /// <param name="Window">Side of the windows, in tokens.</param>
    /// <param name="Patch">Side of a patch in pixels.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="MlpRatio">Hidden width of the MLP over the width.</param>
    /// <param name="QkvBias">Whether queries, keys and values have a bias.</param>
    /// <param name="AbsolutePositions">Adds a learned table to the patches.</param>
    /// <param name="PatchNorm">A norm after the patch embedding.</param>
    /// <param name="Eps">Of all norms.</param>
    /// <param name="Dropout">Dropout of tokens, projections and MLPs.</param>
    /// <param name="DropPath">Stochastic depth of the last block.</param>
    /// <param name="Dense">The backbone for dense tasks: any image size, a norm per stage instead of the last one.</param>
    public sealed record Config(
        (int Height, int Width) ImageSize,
        int Dim,
        IReadOnlyList<int> Depths,
        IReadOnlyList<int> Heads,
        int Window = 7,
        int Patch = 4,
        int Classes = 1000,
        int Channels = 3,
        double MlpRatio = 4,
        bool QkvBias = true,
        bool AbsolutePositions = false,
        bool PatchNorm = true,
        double Eps = 1e-5,
        double Dropout = 0,
        double DropPath = 0,
        bool Dense = false
    ) : RegularizedConfig
    {
        /// <inheritdoc/>
        public override BackboneConfig With(ModelOptions options) =>
            (Config)base.With(options) with
            {
                Dense = options.Dense,
                Classes = options.Classes ?? (options.Dense ? 0 : Classes),
            };

        internal int Width(int stage) => Dim << stage;

        internal (int Height, int Width) Grid => ((ImageSize.Height + Patch - 1) / Patch, (ImageSize.Width + Patch - 1) / Patch);

        /// <summary>A window is never larger than the map of a classifier, and then nothing is left to shift.</summary>
        internal (int Side, int Shift) WindowAt(int stage, int block)
        {
            var smallest = Math.Min(Grid.Height, Grid.Width) >> stage;
            return !Dense && smallest <= Window ? (smallest, 0) : (Window, block % 2 * (Window / 2));
        }

        /// <exception cref="ShapeException">The image does not divide into patches and windows at every stage.</exception>
        internal void Check()
        {
            if (Dense)
                return;
            var (height, width) = ImageSize;
            PatchEmbed.CheckSize(height, width, Patch);
            (height, width) = Grid;
            for (var i = 0; i < Depths.Count; i++, height /= 2, width /= 2)
            {
                var side = WindowAt(i, 0).Side;
                if (side == 0 || height % side != 0 || width % side != 0)
                    throw new ShapeException(
                        $"an image of {ImageSize.Height} x {ImageSize.Width} gives stage {i + 1} a map of {height} x {width}, "
                            + $"which does not divide into windows of {Math.Max(side, 1)} x {Math.Max(side, 1)}"
                    );
                if (i + 1 < Depths.Count && (height % 2 != 0 || width % 2 != 0))
                    throw new ShapeException(
                        $"an image of {ImageSize.Height} x {ImageSize.Width} gives stage {i + 1} a map of {height} x {width}, whose tokens "
                            + $"cannot be merged in pairs: both sides must be multiples of {Patch << (Depths.Count - 1)}"
                    );
            }
        }
    }

    private Parameter? absolutePosEmbed; // [1, N, C]; dense: [1, C, h, w]
    private readonly ConvEmbed patchEmbed;
    private readonly ModuleList<Stage> layers;
    private readonly LayerNorm[] norms;
    private Linear? head;
    private readonly Dropout drop;

    /// <summary>A model with the authors' initialisation.</summary>
    /// <exception cref="ShapeException">The image does not divide into patches and windows at every stage.</exception>
    public Swin(Config config)
        : base(config)
    {
        if (config.Heads.Count != config.Depths.Count)
            throw new ArgumentException(
                $"{config.Depths.Count} depths and {config.Heads.Count} numbers of heads were given: every stage needs one of each",
                nameof(config)
            );
        config.Check();
        var (height, width) = config.Grid;
        if (config.AbsolutePositions)
            absolutePosEmbed = Init.TruncatedNormal(
                config.Dense ? new Parameter([1, config.Dim, height, width]) : new Parameter([1, height * width, config.Dim]),
                0.02
            );
        patchEmbed = new ConvEmbed(config.Channels, config.Dim, config.Patch, config.Patch, eps: config.PatchNorm ? config.Eps : null);
        var rates = Nn.DropPath.Rates(config.DropPath, config.Depths.Sum());
        layers = new(config.Depths.Select((_, i) => new Stage(config, i, rates)));
        norms = config.Dense
            ? [.. config.Depths.Select((_, i) => new LayerNorm(config.Width(i), config.Eps))]
            : [new LayerNorm(NumFeatures, config.Eps)];
        head = InitialClassifier();
        drop = new Dropout(config.Dropout);
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        members.Add("absolute_pos_embed", absolutePosEmbed);
        members.Add("patch_embed", patchEmbed);
        members.Add("layers", layers);
        foreach (var (i, norm) in norms.Index())
            members.Add(Options.Dense ? $"norm{i}" : "norm", norm);
        members.Add("head", head);
        members.Add("drop", drop);
    }

    /// <inheritdoc/>
    protected override int FirstStride => Options.Patch;

    /// <inheritdoc/>
    protected override bool IsDense => Options.Dense;

    /// <inheritdoc/>
    protected override IReadOnlyList<LayerNorm> StageNorms => norms;

    /// <inheritdoc/>
    public override int NumFeatures => Options.Width(Options.Depths.Count - 1);

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths =>
        [.. Options.Depths.SelectMany((depth, i) => Enumerable.Range(0, depth).Select(j => $"layers.{i}.blocks.{j}"))];

    /// <inheritdoc/>
    public override IReadOnlyList<string> EmbeddingPaths =>
        [.. Options.Depths.Select((_, i) => i == 0 ? "patch_embed" : $"layers.{i - 1}.downsample")];

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    /// <inheritdoc/>
    public override bool NoWeightDecay(string name) =>
        name == "absolute_pos_embed" || name.EndsWith("relative_position_bias_table", StringComparison.Ordinal);

    private (Tensor Tokens, int Height, int Width) Embed(Tensor image) // [B, C, H, W] -> [B, N, D]
    {
        var (height, width) = ((int)image.Size(2), (int)image.Size(3));
        if (!Options.Dense)
            ExpectOwnSize(image);
        var (below, right) = (Padding(height, Options.Patch), Padding(width, Options.Patch));
        if (below + right > 0)
            image = image.ConstantPadNd([0, right, 0, below]);
        var x = patchEmbed.Call(image);
        (height, width) = ((height + below) / Options.Patch, (width + right) / Options.Patch);
        if (absolutePosEmbed is { } table)
            x = x + (Options.Dense ? table.UpsampleBicubic2d((height, width), false).ToTokens() : table);
        return (drop.Call(x), height, width);
    }

    // How much a size lacks to the next multiple.
    private static int Padding(int size, int multiple) => (multiple - size % multiple) % multiple;

    /// <summary>Tokens after the last block of each stage, before they are merged, with the size of their map.</summary>
    protected override IEnumerable<(Tensor Tokens, int Height, int Width)> Stages(Tensor image)
    {
        var (x, height, width) = Embed(image);
        foreach (var (i, stage) in layers.Index())
        {
            var mask = Options.Dense ? stage.Mask(height, width, x) : null;
            foreach (var block in stage.Blocks)
                x = block.Call((x, height, width, mask));
            yield return (Record($"stage{i + 1}", x), height, width);
            if (stage.Downsample is not { } merging)
                yield break;
            x = merging.Call((x, height, width));
            (height, width) = ((height + 1) / 2, (width + 1) / 2);
        }
    }

    /// <summary>The last two blocks, of plain and of shifted windows, of the last stages with more than one window.</summary>
    protected override IEnumerable<Insight> Insights(Tensor image)
    {
        var attention = RecordDuring(image, "**.attention");
        var maps = FeatureMaps(image);
        foreach (var (i, stage) in layers.Index().Where(stage => maps[stage.Index].Map.Size(2) > stage.Item.Blocks[0].Side).TakeLast(2))
        foreach (var (j, block) in stage.Blocks.Index().TakeLast(2))
            yield return Insight.OfWindows(
                $"{(block.Shift > 0 ? "shifted windows" : "windows")}, stage {i + 1}",
                attention[$"layers.{i}.blocks.{j}.attn.attention"],
                (block.Side, block.Side),
                ((int)maps[i].Map.Size(2), (int)maps[i].Map.Size(3)),
                shift: block.Shift
            );
        if (maps[^1].Map.Size(2) <= layers[^1].Blocks[0].Side)
            yield return Insight.OfWindows(
                $"window of stage {layers.Count}",
                attention[$"layers.{layers.Count - 1}.blocks.{Options.Depths[^1] - 1}.attn.attention"],
                (layers[^1].Blocks[0].Side, layers[^1].Blocks[0].Side),
                ((int)maps[^1].Map.Size(2), (int)maps[^1].Map.Size(3))
            );
    }

    /// <summary>
    /// Takes images of another size: a table of absolute positions is resampled bicubically, masks are made anew, and where a
    /// map becomes smaller or larger than the window, the table of relative positions is resampled.
    /// </summary>
    /// <exception cref="ShapeException">The image does not divide into patches and windows at every stage.</exception>
    public override void Resize(int height, int width)
    {
        var resized = Options with { ImageSize = (height, width) };
        resized.Check();
        // A dense model fits everything to each image while it runs.
        if (!Options.Dense)
        {
            using var scope = new Scope();
            using var outside = Torch.NoGrad();
            if (absolutePosEmbed is not null)
                absolutePosEmbed = new Parameter(
                    PositionTable.Resample(absolutePosEmbed, Options.Grid, resized.Grid, 0, PositionResampling.Bicubic).Clone()
                );
            foreach (var stage in layers)
                stage.Resize(resized);
        }
        Options = resized;
    }

    /// <summary>
    /// Indices and masks are computed, whatever a file holds; tables of other windows and grids are resampled bicubically. A dense model
    /// takes files of classifiers.
    /// </summary>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        base.AdaptStateDict(state);
        foreach (var name in state.Keys.Where(IsComputed).ToArray())
            state.Remove(name);
        foreach (var (name, own) in StateDict())
        {
            if (IsComputed(name))
                state[name] = own;
            else if (!state.TryGetValue(name, out var table) || table.Shape == own.Shape)
                continue;
            else if (
                name.EndsWith("relative_position_bias_table", StringComparison.Ordinal)
                && table.Dim == 2
                && table.Size(1) == own.Size(1)
            )
            {
                var (from, to) = (RelativePositions.SideOf(table.Size(0)), RelativePositions.SideOf(own.Size(0)));
                state[name] = RelativePositions.Resize(table, (from, from), (to, to));
            }
            else if (name == "absolute_pos_embed")
                state[name] = FitPositions(table);
        }

        static bool IsComputed(string name) =>
            name.EndsWith("relative_position_index", StringComparison.Ordinal) || name.EndsWith("attn_mask", StringComparison.Ordinal);
    }

    // Files of classifiers hold rows, those of dense models a map.
    private Tensor FitPositions(Tensor table)
    {
        if (table.Dim == 4)
        {
            var from = ((int)table.Size(2), (int)table.Size(3));
            return PositionTable.Resample(table.ToTokens(), from, Options.Grid, 0, PositionResampling.Bicubic);
        }
        var rows = PositionTable.Resample(
            table,
            PositionTable.GridOf(table.Size(1), Options.Grid),
            Options.Grid,
            0,
            PositionResampling.Bicubic
        );
        return Options.Dense ? rows.ToMap(Options.Grid.Height, Options.Grid.Width) : rows;
    }

    /// <summary>The blocks of one stage and the merging after them.</summary>
    private sealed partial class Stage : Module
    {
        private readonly ModuleList<Block> blocks;
        private readonly PatchMerging? downsample;

        [NotRegistered]
        private readonly int index;

        public Stage(Config config, int index, double[] rates)
        {
            this.index = index;
            var first = config.Depths.Take(index).Sum();
            blocks = new(Enumerable.Range(0, config.Depths[index]).Select(j => new Block(config, index, j, rates[first + j])));
            if (index + 1 < config.Depths.Count)
                downsample = new PatchMerging(config.Width(index), config.Eps);
        }

        public IReadOnlyList<Block> Blocks => blocks;
        public PatchMerging? Downsample => downsample;

        public void Resize(Config config)
        {
            foreach (var (j, block) in blocks.Index())
                block.Resize(config, index, j);
        }

        /// <summary>The mask of the shifted blocks on the padded map; null when there is none.</summary>
        public Tensor? Mask(int height, int width, Tensor like) =>
            blocks.FirstOrDefault(block => block.Shift > 0) is { } block
                ? Windows.ShiftMask(height + Padding(height, block.Side), width + Padding(width, block.Side), block.Side, block.Shift, like)
                : null;
    }

    /// <summary>
    /// x + W(norm(x)), then x + MLP(norm(x)) (equation 3): W attends within windows, of the map rolled by half a window in every second
    /// block.
    /// </summary>
    private sealed partial class Block : Module<(Tensor Tokens, int Height, int Width, Tensor? Mask), Tensor>
    {
        private ModuleBuffer? attnMask; // [windows, w^2, w^2], in shifted blocks of classifiers
        private readonly LayerNorm norm1;
        private readonly WindowAttention attn;
        private readonly LayerNorm norm2;
        private readonly Mlp mlp;
        private readonly DropPath dropPath;

        public Block(Config config, int stage, int index, double dropPath)
        {
            var (dim, window) = (config.Width(stage), config.WindowAt(stage, index));
            norm1 = new LayerNorm(dim, config.Eps);
            attn = new WindowAttention(dim, window.Side, config.Heads[stage], config.QkvBias, config.Dropout);
            norm2 = new LayerNorm(dim, config.Eps);
            mlp = new Mlp(dim, (int)(dim * config.MlpRatio), config.Dropout);
            this.dropPath = new DropPath(dropPath);
            TransformerInit.Linears(this);
            Shift = window.Shift;
            MakeMask(config, stage, null);
        }

        public int Side => attn.Side;
        public int Shift { get; private set; }

        private void MakeMask(Config config, int stage, Tensor? like)
        {
            using var scope = new Scope();
            var (height, width) = config.Grid;
            attnMask =
                Shift > 0 && !config.Dense
                    ? new ModuleBuffer(Windows.ShiftMask(height >> stage, width >> stage, Side, Shift, like), constant: true)
                    : null;
        }

        public void Resize(Config config, int stage, int index)
        {
            (var side, Shift) = config.WindowAt(stage, index);
            attn.Resize(side);
            MakeMask(config, stage, norm1.Weight);
        }

        protected override Tensor Forward((Tensor Tokens, int Height, int Width, Tensor? Mask) input)
        {
            var (x, height, width, mask) = input;
            var (batch, tokens, dim) = x.Shape;
            var map = norm1.Call(x).Reshape(batch, height, width, dim);
            // Zeros after the norm: padded tokens have the bias as query, key and value, and take part.
            var (below, right) = (Padding(height, Side), Padding(width, Side));
            if (below + right > 0)
                map = map.ConstantPadNd([0, 0, 0, right, 0, below]);
            if (Shift > 0)
                map = map.Roll((-Shift, -Shift), (1, 2));
            var windows = attn.Call((Windows.Cut(map, (Side, Side)), Shift > 0 ? attnMask ?? mask : null));
            map = Windows.Join(windows, (Side, Side), height + below, width + right);
            if (Shift > 0)
                map = map.Roll((Shift, Shift), (1, 2));
            if (below + right > 0)
                map = map.Slice(1, 0, height).Slice(2, 0, width);
            x = x + dropPath.Call(map.Reshape(batch, tokens, dim));
            return x + dropPath.Call(mlp.Call(norm2.Call(x)));
        }
    }

    /// <summary>
    /// Joins the channels of every 2 x 2 tokens, normalises and halves them (section 3.1); odd maps are padded with zeros.
    /// </summary>
    private sealed partial class PatchMerging : Module<(Tensor Tokens, int Height, int Width), Tensor>
    {
        private readonly Linear reduction;
        private readonly LayerNorm norm;

        public PatchMerging(int dim, double eps)
        {
            reduction = TransformerInit.Linears(new Linear(4 * dim, 2 * dim, bias: false));
            norm = new LayerNorm(4 * dim, eps);
        }

        protected override Tensor Forward((Tensor Tokens, int Height, int Width) input)
        {
            var (x, height, width) = input;
            var (batch, _, dim) = x.Shape;
            var map = x.Reshape(batch, height, width, dim);
            if (height % 2 + width % 2 > 0)
                map = map.ConstantPadNd([0, 0, 0, width % 2, 0, height % 2]);
            var (even, odd) = (map.Slice(1, 0, step: 2), map.Slice(1, 1, step: 2));
            // Rows before columns: (0, 0), (1, 0), (0, 1), (1, 1).
            var joined = Torch.Cat(
                [even.Slice(2, 0, step: 2), odd.Slice(2, 0, step: 2), even.Slice(2, 1, step: 2), odd.Slice(2, 1, step: 2)],
                -1
            );
            return reduction.Call(norm.Call(joined.Reshape(batch, -1, 4 * dim)));
        }
    }

    private const string Paper = "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows, 2021, arXiv:2103.14030";

    private static readonly Config tiny = new((224, 224), Dim: 96, Depths: [2, 2, 6, 2], Heads: [3, 6, 12, 24], DropPath: 0.2);
    private static readonly Config small = tiny with { Depths = [2, 2, 18, 2], DropPath = 0.3 };
    private static readonly Config basic = small with { Dim = 128, Heads = [4, 8, 16, 32], DropPath = 0.5 };
    private static readonly Config large = small with { Dim = 192, Heads = [6, 12, 24, 48], DropPath = 0.2 };

    private static Variant Make(
        string name,
        Config size,
        double parameters,
        double gmacs,
        double top1,
        int window = 7,
        int image = 224,
        string? note = null
    ) =>
        new(
            name,
            Paper: Paper,
            Create: Variant.Configured(size with { ImageSize = (image, image), Window = window }, config => new Swin(config)),
            ImageSize: image,
            Parameters: parameters,
            GMacs: gmacs,
            Top1: top1,
            Dataset: "ImageNet-1k",
            Preprocessing: Preprocessing.ImageNet with
            {
                CropRatio = image > 256 ? 1 : 0.9,
            },
            Note: note
        );

    /// <summary>The published sizes, and a small one for images of 32 pixels.</summary>
    public static IReadOnlyList<Variant> Variants { get; } =
    [
        Make("swin_tiny_patch4_window7_224", tiny, parameters: 28.288, gmacs: 4.5, top1: 81.2, note: "80.9 after ImageNet-22k"),
        Make(
            "swin_tiny_c24_patch4_window8_256",
            tiny with
            {
                Heads = [4, 8, 16, 32],
            },
            window: 8,
            image: 256,
            parameters: 28.3,
            gmacs: 5.9,
            top1: 81.6
        ),
        Make("swin_small_patch4_window7_224", small, parameters: 49.6, gmacs: 8.7, top1: 83.2, note: "83.2 after ImageNet-22k too"),
        Make("swin_base_patch4_window7_224", basic, parameters: 87.8, gmacs: 15.4, top1: 83.5, note: "85.2 after ImageNet-22k"),
        Make(
            "swin_base_patch4_window12_384",
            basic,
            window: 12,
            image: 384,
            parameters: 87.9,
            gmacs: 47.1,
            top1: 84.5,
            note: "86.4 after ImageNet-22k"
        ),
        Make("swin_large_patch4_window7_224", large, parameters: 196.5, gmacs: 34.5, top1: 86.3, note: "after ImageNet-22k"),
        Make(
            "swin_large_patch4_window12_384",
            large,
            window: 12,
            image: 384,
            parameters: 196.7,
            gmacs: 103.9,
            top1: 87.3,
            note: "after ImageNet-22k"
        ),
        Variant.Micro(
            "swin_micro_patch2_window4_32",
            Paper,
            config: new Config(
                ImageSize: (32, 32),
                Dim: 64,
                Depths: [2, 4, 2],
                Heads: [2, 4, 8],
                Window: 4,
                Patch: 2,
                Classes: 10,
                DropPath: 0.1
            ),
            create: config => new Swin(config)
        ),
    ];
}
