using Tessera.Models;

namespace Tessera.Tests.Models;

public class T2tTests
{
    private static readonly T2tVit.Config Small = new((32, 48), 24, 2, 3, 2, TokenDim: 16, Classes: 5);

    [Fact]
    public void Positions_and_random_features_are_saved_but_not_learned()
    {
        using var scope = Torch.Scope();
        var model = new T2tVit(Small);
        string[] frozen = [.. model.NamedParameters().Where(p => !p.Parameter.RequiresGrad).Select(p => p.Name)];
        Assert.Equal(["pos_embed", "tokens_to_token.attention1.w", "tokens_to_token.attention2.w"], frozen);
        Assert.All(frozen, name => Assert.Contains(name, model.StateDict().Keys));
        model.To(dtype: DType.Float64);
        model.Resize(64, 64);
        Assert.False(model.NamedParameters().Single(p => p.Name == "pos_embed").Parameter.RequiresGrad);
    }

    [Fact]
    public void Random_features_are_orthogonal_at_first()
    {
        using var scope = Torch.Scope();
        var w = new T2tVit(Small).StateDict()["tokens_to_token.attention1.w"];
        Assert.True(w.Matmul(w.MT).Allclose(Torch.Eye(8) * 8, 1e-4, 1e-4));
    }

    [Fact]
    public void Performers_stay_finite_in_short_types()
    {
        using var scope = Torch.Scope();
        var model = new T2tVit(Small);
        model.Eval();
        using var mixed = Torch.Autocast();
        Assert.Equal(1, model.Call(Torch.Randn([1, 3, 32, 48]) * 3).Isfinite().All().ToDouble());
    }

    [Fact]
    public void Another_size_keeps_the_class_token_s_position()
    {
        using var scope = Torch.Scope();
        var model = new T2tVit(Small);
        model.Eval();
        var before = model.StateDict()["pos_embed"].Slice(1, 0, 1).Clone();
        Assert.Contains(
            "[1, 3, 48, 48]",
            Assert.Throws<ShapeException>(() => model.Call(Torch.Zeros([1, 3, 48, 48]))).Message,
            StringComparison.Ordinal
        );
        model.Resize(48, 48);
        Assert.Equal(new Shape(1, 10, 24), model.StateDict()["pos_embed"].Shape);
        Assert.True(model.StateDict()["pos_embed"].Slice(1, 0, 1).Equal(before));
        Assert.Equal(new Shape(1, 5), model.Call(Torch.Zeros([1, 3, 48, 48])).Shape);
        Assert.Throws<ShapeException>(() => model.Resize(2, 48));
    }

    [Fact]
    public void A_table_of_a_square_image_fits_another_size()
    {
        using var scope = Torch.Scope();
        var (square, wide) = (new T2tVit(Small with { ImageSize = (48, 48) }), new T2tVit(Small));
        var state = new Dictionary<string, Tensor>(square.StateDict());
        wide.AdaptStateDict(state);
        Assert.True(wide.LoadStateDict(state).Complete);
    }
}
