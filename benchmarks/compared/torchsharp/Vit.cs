using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Compared;

// vit_micro_patch4_32 for grey images of 28 x 28, under the names that published checkpoints have: the fields' names are the state dict's.
public sealed class Attention : Module<Tensor, Tensor>
{
    private readonly long heads;
    private readonly Linear qkv;
    private readonly Linear proj;

    public Attention(long dim, long heads)
        : base("attn")
    {
        this.heads = heads;
        qkv = Linear(dim, 3 * dim);
        proj = Linear(dim, dim);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        var (b, n, d) = (x.shape[0], x.shape[1], x.shape[2]);
        var parts = qkv.call(x).reshape(b, n, 3, heads, d / heads).permute(2, 0, 3, 1, 4).unbind(0);
        var y = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2]);
        return proj.call(y.transpose(1, 2).reshape(b, n, d)).MoveToOuterDisposeScope();
    }
}

public sealed class Mlp : Module<Tensor, Tensor>
{
    private readonly Linear fc1;
    private readonly Linear fc2;

    public Mlp(long dim, long hidden)
        : base("mlp")
    {
        fc1 = Linear(dim, hidden);
        fc2 = Linear(hidden, dim);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        return fc2.call(functional.gelu(fc1.call(x))).MoveToOuterDisposeScope();
    }
}

public sealed class Block : Module<Tensor, Tensor>
{
    private readonly LayerNorm norm1;
    private readonly Attention attn;
    private readonly LayerNorm norm2;
    private readonly Mlp mlp;

    public Block(long dim, long heads, long hidden)
        : base("block")
    {
        norm1 = LayerNorm(dim, eps: 1e-6);
        attn = new Attention(dim, heads);
        norm2 = LayerNorm(dim, eps: 1e-6);
        mlp = new Mlp(dim, hidden);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        var y = x + attn.call(norm1.call(x));
        return (y + mlp.call(norm2.call(y))).MoveToOuterDisposeScope();
    }
}

public sealed class PatchEmbed : Module<Tensor, Tensor>
{
    private readonly Conv2d proj;

    public PatchEmbed(long channels, long dim, long patch)
        : base("patch_embed")
    {
        proj = Conv2d(channels, dim, patch, patch);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x) => proj.call(x).flatten(2).transpose(1, 2);
}

public sealed class Vit : Module<Tensor, Tensor>
{
    private readonly Parameter cls_token;
    private readonly Parameter pos_embed;
    private readonly PatchEmbed patch_embed;
    private readonly Sequential blocks;
    private readonly LayerNorm norm;
    private readonly Linear head;

    public Vit(long image, long channels, long classes, long patch, long dim, long depth, long heads, long hidden)
        : base("vit")
    {
        var grid = image / patch;
        cls_token = Parameter(zeros(1, 1, dim));
        pos_embed = Parameter(randn(1, 1 + grid * grid, dim) * 0.02);
        patch_embed = new PatchEmbed(channels, dim, patch);
        blocks = Sequential(Enumerable.Range(0, (int)depth).Select(i => ($"{i}", (Module<Tensor, Tensor>)new Block(dim, heads, hidden))));
        norm = LayerNorm(dim, eps: 1e-6);
        head = Linear(dim, classes);
        RegisterComponents();
        foreach (var (name, parameter) in named_parameters())
            if (parameter.dim() == 2)
                init.trunc_normal_(parameter, std: 0.02);
            else if (name.EndsWith("bias", StringComparison.Ordinal))
                init.zeros_(parameter);
    }

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        var patches = patch_embed.call(x);
        var tokens = cat([cls_token.expand(x.shape[0], 1, -1), patches], 1) + pos_embed;
        return head.call(norm.call(blocks.call(tokens)).select(1, 0)).MoveToOuterDisposeScope();
    }
}
