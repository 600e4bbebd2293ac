namespace Tessera.Generator.Tests;

public sealed class ModuleGeneratorTests
{
    [Fact]
    public void Members_are_listed_under_their_names_in_the_state_dict()
    {
        var (errors, generated) = Compiled.Modules(
            """
            namespace Own;
            public sealed partial class Net : Layer
            {
                private readonly Linear patchEmbed = new(3, 4);
                [Name("other")] private readonly Linear @class = new(4, 4);
                [NotRegistered] private readonly Linear teacher = new(4, 4);
                protected override Tensor Forward(Tensor input) => teacher.Call(@class.Call(patchEmbed.Call(input)));
            }
            """
        );
        Assert.Empty(errors);
        Assert.Contains("""members.Add("patch_embed", this.patchEmbed);""", generated, StringComparison.Ordinal);
        Assert.Contains("""members.Add("other", this.@class);""", generated, StringComparison.Ordinal);
        Assert.DoesNotContain("teacher", generated, StringComparison.Ordinal);
    }

    [Fact]
    public void A_class_that_lists_its_members_itself_knows_better()
    {
        var (errors, generated) = Compiled.Modules(
            """
            public sealed class Net : Layer
            {
                private readonly Linear[] maps = [new(3, 4), new(4, 4)];
                protected override void ListMembers(Members members)
                {
                    members.Add("first", maps[0]);
                    members.Add("second", maps[1]);
                }
                protected override Tensor Forward(Tensor input) => maps[1].Call(maps[0].Call(input));
            }
            """
        );
        Assert.Empty(errors);
        Assert.Null(generated);
    }

    [Theory]
    [InlineData("class Net : Layer { Linear head = new(1, 1); protected override Tensor Forward(Tensor x) => head.Call(x); }", "TSR002")]
    [InlineData(
        "partial class Net : Layer { List<Linear> heads = new(); protected override Tensor Forward(Tensor x) => heads[0].Call(x); }",
        "TSR003"
    )]
    [InlineData("partial class Net(Linear head) : Layer { protected override Tensor Forward(Tensor x) => head.Call(x); }", "TSR004")]
    public void What_would_not_be_registered_is_an_error(string code, string id) => Assert.Equal([id], Compiled.Modules(code).Errors);
}
