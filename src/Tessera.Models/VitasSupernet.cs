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

/// <summary>
/// ViTAS's super-transformer: it holds every network of a space, which share its weights. Class tokens and positions belong to a patch
/// size, maps of queries and keys to a number of heads. Su et al., 2021, arXiv:2106.13700, section 3.
/// </summary>
public sealed class VitasSupernet : Module
{
    /// <summary>Sizes and options.</summary>
    /// <param name="Space">The choices.</param>
    /// <param name="ImageSize">Height and width in pixels, multiples of every patch size.</param>
    /// <param name="Classes">Number of classes, at least 1.</param>
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
    )
    {
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
    private readonly Linear head;

    /// <summary>A supernet with the authors' initialisation.</summary>
    /// <exception cref="ArgumentException">Patches do not divide the images, or widths cannot be divided among the heads.</exception>
    public VitasSupernet(Config config)
    {
        Options = config;
        var space = config.Space;
        foreach (var heads in space.HeadChoices)
        foreach (var share in Enumerable.Range(0, space.Shares.Count))
            if (space.Width(share, space.MaxQkv) is var qkv && (qkv % (3 * heads) != 0 || qkv == 0))
                throw new ArgumentException(
                    $"{space.Shares[share]} of {space.MaxQkv} channels are {qkv}, which cannot be divided into queries, keys and values of "
                        + $"{heads} heads",
                    nameof(config)
                );
        stems = [.. space.PatchSizes.Select(patch => new Stem(config, patch))];
        blocks = [.. Enumerable.Range(0, space.Depth).Select(_ => new Block(config))];
        norm = new LayerNorm(space.MaxDim, config.FinalEps);
        head = Layers.TransformerInit.Linears(new Linear(space.MaxDim, config.Classes));
    }

    /// <summary>Its sizes and options.</summary>
    public Config Options { get; }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        foreach (var (i, stem) in stems.Index())
            members.Add($"net.backbone_init_stem_Patch_init_0.{i}", stem);
        foreach (var (i, block) in blocks.Index())
            members.Add($"net.backbone_Block_id_{i}.0", block);
        members.Add("net.backbone_Norm_Norm_0.0", norm);
        members.Add("net.backbone_FC_FC_0.0.module.0", head);
    }

    /// <summary>The logits of a network of the space, [B, classes].</summary>
    /// <param name="images">[B, C, H, W].</param>
    /// <param name="genome">The network.</param>
    /// <param name="sharing">Which channels it uses.</param>
    /// <exception cref="ShapeException">The images have another size.</exception>
    public Tensor Call(Tensor images, VitasGenome genome, WidthSharing sharing = WidthSharing.Left)
    {
        var (height, width) = Options.ImageSize;
        if (images.Dim != 4 || (images.Size(1), images.Size(2), images.Size(3)) != (Options.Channels, height, width))
            throw new ShapeException(
                $"VitasSupernet takes images [B, {Options.Channels}, {height}, {width}], not {images.Shape}: it is built for one size"
            );
        return Torch.Scope(() => Logits(images, genome, sharing));
    }

    private Tensor Logits(Tensor images, VitasGenome genome, WidthSharing sharing)
    {
        var space = Options.Space;
        var dim = SharedChannels.Of(sharing, space, genome.Widths[0], space.MaxDim);
        var x = stems[genome.Patch].Call(images, dim);
        var next = 1;
        foreach (var (i, choice) in genome.Positions.Index())
        {
            if (choice == space.Identity)
                continue;
            var at = Options.WidthsInOrder ? next : 1 + 2 * i;
            next += 2;
            x = blocks[i].Call(x, choice, dim, genome.Widths[at], genome.Widths[at + 1], sharing);
        }
        var token = Normalized(norm, x, dim).Select(1, 0);
        return Torch.Linear(token, dim.Of(head.Weight, 1), head.Bias);
    }

    private static Tensor Normalized(LayerNorm norm, Tensor x, SharedChannels dim) =>
        Torch.LayerNorm(x, dim.Count, dim.Of(norm.Weight!, 0), dim.Of(norm.Bias!, 0), norm.Eps);

    private static Tensor Mapped(Linear linear, Tensor x, SharedChannels from, SharedChannels to) =>
        Torch.Linear(x, from.Of(to.Of(linear.Weight, 0), 1), to.Of(linear.Bias!, 0));

    /// <summary>The patches of one size, with a class token and positions of their own.</summary>
    private sealed class Stem : Module
    {
        private readonly Parameter clsToken; // [1, 1, D]
        private readonly Parameter posEmbed; // [1, 1 + N, D]
        private readonly Layers.PatchEmbed patchEmbed;
        private readonly Config config;

        internal Stem(Config config, int patch)
        {
            this.config = config;
            var (height, width) = config.ImageSize;
            if (height % patch != 0 || width % patch != 0)
                throw new ArgumentException($"patches of {patch} pixels must divide images of {height}x{width}", nameof(config));
            clsToken = Init.Zeros(new Parameter([1, 1, config.Space.MaxDim]));
            posEmbed = Init.Zeros(new Parameter([1, 1 + height / patch * (width / patch), config.Space.MaxDim]));
            patchEmbed = new Layers.PatchEmbed(config.Channels, config.Space.MaxDim, patch);
        }

        protected override void ListMembers(Members members)
        {
            members.Add("cls_token", clsToken);
            members.Add("pos_embed", posEmbed);
            members.Add("patch_embed", patchEmbed);
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
        private readonly Layers.Mlp mlp;
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
            mlp = new Layers.Mlp(dim, space.MaxMlp);
            Layers.TransformerInit.Linears(this);
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

        internal Tensor Call(Tensor x, int choice, SharedChannels dim, int qkvShare, int mlpShare, WidthSharing sharing)
        {
            var inner = space.MaxQkv / 3;
            var (queries, values, hidden) = (
                SharedChannels.Of(sharing, space, qkvShare, 2 * inner),
                SharedChannels.Of(sharing, space, qkvShare, inner),
                SharedChannels.Of(sharing, space, mlpShare, space.MaxMlp)
            );
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
    }
}
