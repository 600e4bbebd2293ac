using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>Which channels of a larger axis a smaller network uses.</summary>
public enum WidthSharing
{
    /// <summary>The first ones: ordinal sharing.</summary>
    Left,

    /// <summary>The last ones: the other side of bilateral sharing.</summary>
    Right,

    /// <summary>
    /// Every width the channels behind those of the next smaller width, around the end: then all channels are used by nearly as many
    /// widths.
    /// </summary>
    Cyclic,
}

/// <summary>How the networks of a super-transformer share its channels.</summary>
public enum VitasSharing
{
    /// <summary>Every width uses the first channels.</summary>
    Ordinal,

    /// <summary>In training, a network runs with the first and with the last channels, and the logits add up.</summary>
    Bilateral,

    /// <summary>All channels are used by nearly as many widths.</summary>
    Cyclic,
}

/// <summary>
/// ViTAS's super-transformer: it holds every network of a space, which share its weights. Class tokens and positions belong to a patch
/// size, maps of queries and keys to a number of heads. Su et al., 2021, arXiv:2106.13700, section 3.
/// </summary>
/// <remarks>Without a choice it computes its largest network. Names of the weights are the authors'.</remarks>
public sealed class VitasSupernet : Backbone<VitasSupernet.Config>, ISearchable<VitasGenome>
{
    /// <summary>Sizes and options.</summary>
    /// <param name="Space">The choices.</param>
    /// <param name="ImageSize">Height and width in pixels, multiples of every patch size.</param>
    /// <param name="Classes">Number of classes; 0 for no classifier.</param>
    /// <param name="Channels">Channels of the images.</param>
    /// <param name="Eps">Of the norms of the blocks.</param>
    /// <param name="FinalEps">Of the last norm.</param>
    public sealed record Config(
        VitasSpace Space,
        (int Height, int Width) ImageSize,
        int Classes,
        int Channels = 3,
        double Eps = 1e-6,
        double FinalEps = 1e-5
    ) : BackboneConfig
    {
        /// <summary>How widths share channels.</summary>
        public VitasSharing Sharing { get; init; }

        /// <summary>The passes of a network, whose logits add up in training.</summary>
        public IReadOnlyList<WidthSharing> Sides =>
            Sharing switch
            {
                VitasSharing.Ordinal => [WidthSharing.Left],
                VitasSharing.Bilateral => [WidthSharing.Left, WidthSharing.Right],
                _ => [WidthSharing.Cyclic],
            };

        /// <summary>
        /// Whether of all patch sizes only the first one's projection, class token and positions learn, as in the released code; otherwise
        /// those of the chosen one do.
        /// </summary>
        public bool FirstPatchOnly { get; init; }

        /// <summary>
        /// Whether the last row of the position table is added to every token, as the released code does while it searches; otherwise each
        /// token gets its own row.
        /// </summary>
        public bool LastPositionOnly { get; init; }

        /// <summary>
        /// Whether blocks take the widths of the genome one after the other, as the released code does while it searches, so that
        /// positions without a block shift those of the next; otherwise each position has its own.
        /// </summary>
        public bool WidthsInOrder { get; init; }
    }

    // As published, for every number of heads and every width.
    private const int ScaleHeads = 3;

    private readonly Stem[] stems;
    private readonly Block[] blocks;
    private readonly LayerNorm norm;
    private Linear? head;
    private (VitasGenome Genome, WidthSharing Sharing)? chosen;

    /// <summary>A supernet with the authors' initialisation.</summary>
    /// <exception cref="ArgumentException">Patches do not divide the images, or widths cannot be divided among the heads.</exception>
    public VitasSupernet(Config config)
        : base(config)
    {
        var space = config.Space;
        foreach (var heads in space.HeadChoices)
        foreach (var share in Enumerable.Range(0, space.Shares.Count))
            if (
                space.Width(share, space.MaxQkv) is var qkv
                && (qkv % (3 * heads) != 0 || qkv == 0 || space.Width(share, space.MaxQkv / 3) is var own && 3 * own != qkv)
            )
                throw new ArgumentException(
                    $"{space.Shares[share]} of {space.MaxQkv} channels are {qkv}, which cannot be divided into queries, keys and values of "
                        + $"{heads} heads",
                    nameof(config)
                );
        stems = [.. space.PatchSizes.Select(patch => new Stem(config, patch))];
        blocks = [.. Enumerable.Range(0, space.Depth).Select(_ => new Block(config))];
        norm = new LayerNorm(space.MaxDim, config.FinalEps);
        head = InitialClassifier();
    }

    /// <inheritdoc/>
    public override int NumFeatures => Options.Space.MaxDim;

    /// <inheritdoc/>
    public override int NumPrefixTokens => 1;

    /// <inheritdoc/>
    public override IReadOnlyList<string> BlockPaths => [.. Enumerable.Range(0, blocks.Length).Select(PathOf)];

    private static string PathOf(int position) => $"net.backbone_Block_id_{position}.0";

    /// <inheritdoc/>
    protected override ref Linear? Classifier => ref head;

    /// <inheritdoc/>
    protected override string ClassifierPath => Vitas.HeadPath;

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        foreach (var (i, stem) in stems.Index())
            members.Add(StemPath(i), stem);
        foreach (var (i, block) in blocks.Index())
            members.Add(PathOf(i), block);
        members.Add(Vitas.NormPath, norm);
        members.Add(Vitas.HeadPath, head);
    }

    private static string StemPath(int patch) => $"net.backbone_init_stem_Patch_init_0.{patch}";

    /// <inheritdoc/>
    public IDisposable Use(VitasGenome genome) => Use(genome, Options.Sides[0]);

    /// <summary>Lets the model compute a network with chosen channels until the result is disposed of.</summary>
    /// <param name="genome">The network.</param>
    /// <param name="sharing">Which channels it uses.</param>
    /// <exception cref="ArgumentException">It is no network of the space.</exception>
    /// <exception cref="InvalidOperationException">Another network is in use.</exception>
    public IDisposable Use(VitasGenome genome, WidthSharing sharing)
    {
        try
        {
            Options.Space.Decode(genome.Numbers);
        }
        catch (FormatException error)
        {
            throw new ArgumentException(error.Message, nameof(genome), error);
        }
        if (chosen is not null)
            throw new InvalidOperationException("another network of the supernet is in use");
        chosen = (genome, sharing);
        return new NetworkInUse(() => chosen = null);
    }

    private (VitasGenome Genome, WidthSharing Sharing) Chosen => chosen ?? (Options.Space.Largest, Options.Sides[0]);

    /// <summary>The logits of a network of the space, [B, classes].</summary>
    /// <param name="images">[B, C, H, W].</param>
    /// <param name="genome">The network.</param>
    /// <param name="sharing">Which channels it uses.</param>
    /// <exception cref="ShapeException">The images have another size.</exception>
    public Tensor Call(Tensor images, VitasGenome genome, WidthSharing sharing = WidthSharing.Left)
    {
        using (Use(genome, sharing))
            return Call(images);
    }

    /// <inheritdoc/>
    protected override Tensor Features(Tensor input) // [B, C, H, W] -> [B, 1 + N, D]
    {
        ExpectOwnSize(input);
        var space = Options.Space;
        var (genome, sharing) = Chosen;
        var dim = Tokens(genome, sharing);
        var x = stems[genome.Patch].Call(input, dim);
        if (Options.FirstPatchOnly && genome.Patch > 0)
            x = x.Detach();
        Record("embedded", x);
        var next = 1;
        foreach (var (i, choice) in genome.Positions.Index())
        {
            if (choice != space.Identity)
            {
                var at = Options.WidthsInOrder ? next : 1 + 2 * i;
                next += 2;
                x = blocks[i].Call(x, choice, dim, new(sharing, space, genome.Widths[at], genome.Widths[at + 1]));
            }
            Record(PathOf(i), x);
        }
        return Record("normed", Normalized(norm, x, dim));
    }

    private SharedChannels Tokens(VitasGenome genome, WidthSharing sharing) =>
        SharedChannels.Of(sharing, Options.Space, genome.Widths[0], Options.Space.MaxDim);

    /// <inheritdoc/>
    protected override Tensor Pool(Tensor features) => features.Select(1, 0);

    /// <inheritdoc/>
    protected override Tensor Classify(Tensor pooled) =>
        head is null ? pooled : Torch.Linear(pooled, Tokens(Chosen.Genome, Chosen.Sharing).Of(head.Weight, 1), head.Bias);

    /// <inheritdoc/>
    protected override IReadOnlyList<FeatureMap> FeatureMaps(Tensor input)
    {
        var patch = Options.Space.PatchSizes[Chosen.Genome.Patch];
        var (height, width) = Options.ImageSize;
        return [new(Features(input).Slice(1, NumPrefixTokens).ToMap(height / patch, width / patch), patch)];
    }

    /// <summary>Takes images of another size: positions of patches are resampled bicubically.</summary>
    /// <exception cref="ShapeException">Patches of one of the sizes do not divide the images.</exception>
    public override void Resize(int height, int width)
    {
        foreach (var patch in Options.Space.PatchSizes)
            PatchEmbed.CheckSize(height, width, patch);
        foreach (var stem in stems)
            stem.Resize(Options.ImageSize, (height, width));
        Options = Options with { ImageSize = (height, width) };
    }

    /// <summary>Position tables of another grid are resampled bicubically.</summary>
    public override void AdaptStateDict(IDictionary<string, Tensor> state)
    {
        foreach (var (i, stem) in stems.Index())
            stem.Fit(state, StemPath(i), Options.ImageSize);
    }

    /// <summary>
    /// The weights of a network by the names of <see cref="Vitas"/>, so that it computes by itself what the supernet does. The supernet's
    /// scores have one factor for all networks: queries are scaled to make up for the network's own.
    /// </summary>
    /// <param name="genome">The network.</param>
    /// <param name="sharing">Which channels it uses.</param>
    /// <exception cref="NotSupportedException">The supernet computes something else than its networks, by an option for that.</exception>
    public OrderedDictionary<string, Tensor> WeightsOf(VitasGenome genome, WidthSharing sharing)
    {
        if (Options.LastPositionOnly || Options.WidthsInOrder)
            throw new NotSupportedException("a supernet with last_position_only or widths_in_order computes other networks than it counts");
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var (space, dim) = (Options.Space, Tokens(genome, sharing));
        var weights = new OrderedDictionary<string, Tensor>();
        stems[genome.Patch].AddWeights(weights, Vitas.StemPath, dim);
        foreach (var (i, choice) in genome.Positions.Index())
            if (choice != space.Identity)
                blocks[i]
                    .AddWeights(
                        weights,
                        Vitas.PathOf(i),
                        choice,
                        dim,
                        new(sharing, space, genome.Widths[1 + 2 * i], genome.Widths[2 + 2 * i])
                    );
        AddNorm(weights, Vitas.NormPath, norm, dim);
        if (head is not null)
        {
            weights.Add($"{Vitas.HeadPath}.weight", dim.Of(head.Weight, 1));
            weights.Add($"{Vitas.HeadPath}.bias", head.Bias!);
        }
        return scope.Return(
            new OrderedDictionary<string, Tensor>(
                weights.Select(entry => new KeyValuePair<string, Tensor>(entry.Key, entry.Value.Contiguous().Clone()))
            )
        );
    }

    private static void AddNorm(OrderedDictionary<string, Tensor> weights, string path, LayerNorm norm, SharedChannels dim)
    {
        weights.Add($"{path}.weight", dim.Of(norm.Weight!, 0));
        weights.Add($"{path}.bias", dim.Of(norm.Bias!, 0));
    }

    private static void AddLinear(
        OrderedDictionary<string, Tensor> weights,
        string path,
        Linear linear,
        SharedChannels from,
        SharedChannels to
    )
    {
        weights.Add($"{path}.weight", from.Of(to.Of(linear.Weight, 0), 1));
        weights.Add($"{path}.bias", to.Of(linear.Bias!, 0));
    }

    private static Tensor Normalized(LayerNorm norm, Tensor x, SharedChannels dim) =>
        Torch.LayerNorm(x, dim.Count, dim.Of(norm.Weight!, 0), dim.Of(norm.Bias!, 0), norm.Eps);

    private static Tensor Mapped(Linear linear, Tensor x, SharedChannels from, SharedChannels to) =>
        Torch.Linear(x, from.Of(to.Of(linear.Weight, 0), 1), to.Of(linear.Bias!, 0));

    /// <summary>The patches of one size, with a class token and positions of their own.</summary>
    private sealed class Stem : Module
    {
        private readonly Parameter clsToken; // [1, 1, D]
        private Parameter posEmbed; // [1, 1 + N, D]
        private readonly PatchEmbed patchEmbed;
        private readonly Config config;

        internal Stem(Config config, int patch)
        {
            this.config = config;
            var (height, width) = config.ImageSize;
            if (height % patch != 0 || width % patch != 0)
                throw new ArgumentException($"patches of {patch} pixels must divide images of {height}x{width}", nameof(config));
            clsToken = Init.Zeros(new Parameter([1, 1, config.Space.MaxDim]));
            posEmbed = Init.Zeros(new Parameter([1, 1 + height / patch * (width / patch), config.Space.MaxDim]));
            patchEmbed = new PatchEmbed(config.Channels, config.Space.MaxDim, patch);
        }

        protected override void ListMembers(Members members)
        {
            members.Add("cls_token", clsToken);
            members.Add("pos_embed", posEmbed);
            members.Add("patch_embed", patchEmbed);
        }

        private (int Height, int Width) Grid((int Height, int Width) images) =>
            (images.Height / patchEmbed.Patch, images.Width / patchEmbed.Patch);

        internal void Resize((int Height, int Width) before, (int Height, int Width) after) =>
            posEmbed = PositionTable.ResampleParameter(posEmbed, Grid(before), Grid(after), 1, PositionResampling.Bicubic);

        internal void Fit(IDictionary<string, Tensor> state, string path, (int Height, int Width) images) =>
            PositionTable.Fit(state, $"{path}.pos_embed", posEmbed, Grid(images), 1, PositionResampling.Bicubic);

        internal void AddWeights(OrderedDictionary<string, Tensor> weights, string path, SharedChannels dim)
        {
            weights.Add($"{path}.cls_token", dim.Of(clsToken, 2));
            weights.Add($"{path}.pos_embed", dim.Of(posEmbed, 2));
            weights.Add($"{path}.patch_embed.proj.weight", dim.Of(patchEmbed.Weight, 0));
            weights.Add($"{path}.patch_embed.proj.bias", dim.Of(patchEmbed.Bias!, 0));
        }

        internal Tensor Call(Tensor images, SharedChannels dim)
        {
            var map = Torch.Conv2d(images, dim.Of(patchEmbed.Weight, 0), dim.Of(patchEmbed.Bias!, 0), patchEmbed.Patch);
            var token = dim.Of(clsToken, 2).Expand([images.Size(0), -1, -1]);
            var positions = dim.Of(posEmbed, 2);
            if (config.LastPositionOnly)
                positions = positions.Slice(1, positions.Size(1) - 1);
            return Torch.Cat([token, map.Flatten(2).Transpose(1, 2)], 1) + positions;
        }
    }

    /// <summary>A block of the largest widths; queries and keys have a map for each number of heads.</summary>
    private sealed class Block : Module
    {
        private readonly LayerNorm norm1;
        private readonly Linear[] qk;
        private readonly Linear v;
        private readonly Linear proj;
        private readonly LayerNorm norm2;
        private readonly Mlp mlp;
        private readonly VitasSpace space;

        internal Block(Config config)
        {
            space = config.Space;
            var (dim, inner) = (space.MaxDim, space.MaxQkv / 3);
            norm1 = new LayerNorm(dim, config.Eps);
            qk = [.. space.HeadChoices.Select(_ => new Linear(dim, 2 * inner))];
            v = new Linear(dim, inner);
            proj = new Linear(inner, dim);
            norm2 = new LayerNorm(dim, config.Eps);
            mlp = new Mlp(dim, space.MaxMlp);
            TransformerInit.Linears(this);
        }

        protected override void ListMembers(Members members)
        {
            members.Add("norm1", norm1);
            foreach (var (i, map) in qk.Index())
                members.Add($"attn.qk{i}", map);
            members.Add("attn.v", v);
            members.Add("attn.proj", proj);
            members.Add("norm2", norm2);
            members.Add("mlp", mlp);
        }

        internal Tensor Call(Tensor x, int choice, SharedChannels dim, Widths widths)
        {
            var (queries, values, hidden) = (widths.Queries, widths.Values, widths.Hidden);
            var normed = Normalized(norm1, x, dim);
            var (batch, tokens, _) = x.Shape;
            var heads = space.HeadChoices[choice];
            // 3 of [B, h, N, d]
            var packed = Torch
                .Cat([Mapped(qk[choice], normed, dim, queries), Mapped(v, normed, dim, values)], 2)
                .Reshape(batch, tokens, 3, heads, values.Count / heads)
                .Permute(2, 0, 3, 1, 4)
                .Unbind();
            var mixed = Attention.Apply(packed[0], packed[1], packed[2], scale: Vitas.ScaleOf(space.MaxDim, ScaleHeads));
            x += Mapped(proj, mixed.Transpose(1, 2).Reshape(batch, tokens, values.Count), values, dim);
            var (first, second) = mlp.Maps;
            return x + Mapped(second, Mapped(first, Normalized(norm2, x, dim), dim, hidden).Gelu(), hidden, dim);
        }

        internal void AddWeights(OrderedDictionary<string, Tensor> weights, string path, int choice, SharedChannels dim, Widths widths)
        {
            var (queries, values, hidden) = (widths.Queries, widths.Values, widths.Hidden);
            var factor = Vitas.ScaleOf(space.MaxDim, ScaleHeads) / Vitas.ScaleOf(dim.Count, space.HeadChoices[choice]);
            AddNorm(weights, $"{path}.norm1", norm1, dim);
            var (weight, bias) = (queries.Of(qk[choice].Weight, 0), queries.Of(qk[choice].Bias!, 0));
            weights.Add($"{path}.attn.qkv.weight", dim.Of(Torch.Cat([.. Scaled(weight), values.Of(v.Weight, 0)]), 1));
            weights.Add($"{path}.attn.qkv.bias", Torch.Cat([.. Scaled(bias), values.Of(v.Bias!, 0)]));
            AddLinear(weights, $"{path}.attn.proj", proj, values, dim);
            AddNorm(weights, $"{path}.norm2", norm2, dim);
            var (first, second) = mlp.Maps;
            AddLinear(weights, $"{path}.mlp.fc1", first, dim, hidden);
            AddLinear(weights, $"{path}.mlp.fc2", second, hidden, dim);

            // The first half are queries.
            Tensor[] Scaled(Tensor both) => [both.Slice(0, 0, values.Count) * factor, both.Slice(0, values.Count)];
        }
    }

    /// <summary>The channels of a block's inner axes.</summary>
    private readonly struct Widths(WidthSharing sharing, VitasSpace space, int qkv, int mlp)
    {
        private readonly int inner = space.MaxQkv / 3;

        internal SharedChannels Queries => SharedChannels.Of(sharing, space, qkv, 2 * inner);

        internal SharedChannels Values => SharedChannels.Of(sharing, space, qkv, inner);

        internal SharedChannels Hidden => SharedChannels.Of(sharing, space, mlp, space.MaxMlp);
    }
}
