using Tessera.Retrieval;
using Tessera.Testing;

namespace Tessera.Tests.Retrieval;

public sealed class FilterTests : IDisposable
{
    private static readonly (string Name, (string, string)[] Fields)[] items =
    [
        ("a.jpg", [("class", "shoe"), ("year", "1999")]),
        ("b.jpg", [("class", "shoe"), ("year", "2000"), ("my \"field\"", "x y")]),
        ("c.jpg", [("class", "hat"), ("year", "2001.5")]),
        ("d e.jpg", [("class", "Shoe"), ("year", "unknown"), ("day", "2024-05-01")]),
        ("f.jpg", []),
    ];

    private readonly TempFolder folder = new();
    private readonly VectorIndex index;

    public FilterTests()
    {
        index = VectorIndex.Create(folder["a.index"], Sample.Header(2));
        index.Add(
            Sample.Clustered(items.Length, 2, 1),
            [.. items.Select(item => new IndexItem(0, item.Name, item.Fields.ToDictionary(field => field.Item1, field => field.Item2)))]
        );
    }

    public void Dispose()
    {
        index.Dispose();
        folder.Dispose();
    }

    [Theory]
    [InlineData("class=shoe", "12")]
    [InlineData("class = shoe and year>=2000", "2")]
    [InlineData("class!=shoe", "34")]
    [InlineData("not class=shoe", "345")]
    [InlineData("year<2000", "1")]
    [InlineData("year <= 2e3", "12")]
    [InlineData("year=2000.0", "2")]
    [InlineData("year>1999", "23")]
    [InlineData("year=unknown", "4")]
    [InlineData("day>=2024-04-30", "4")]
    [InlineData("day<2024-04-30", "")]
    [InlineData("class in (hat, Shoe)", "34")]
    [InlineData("class=hat or class=shoe and year=1999", "13")]
    [InlineData("(class=hat or class=shoe) and year>=2000", "23")]
    [InlineData("not (class=hat or class=shoe) AND NOT year=unknown", "5")]
    [InlineData("name=\"d e.jpg\"", "4")]
    [InlineData("id>=4", "45")]
    [InlineData("\"my \\\"field\\\"\"=\"x y\"", "2")]
    public void A_filter_finds(string filter, string ids)
    {
        Assert.Equal(ids, string.Concat(index.Items(IndexFilter.Parse(filter)).Select(item => item.Id)));
        var found = index.Search(Sample.Clustered(1, 2, 3), 10, new() { Where = IndexFilter.Parse(filter) });
        Assert.Equal(ids, string.Concat(Assert.Single(found).Select(one => one.Item.Id).Order()));
        Assert.Equal(filter, IndexFilter.Parse(filter).ToString());
    }

    [Theory]
    [InlineData("", "character 1: a field is missing")]
    [InlineData("class", "after the field 'class'")]
    [InlineData("class=", "character 7: a value is missing")]
    [InlineData("class=shoe year=2", "'year' is one too many")]
    [InlineData("(class=shoe", "closing parenthesis")]
    [InlineData("class in shoe", "in parentheses")]
    [InlineData("class in (shoe", "closing parenthesis")]
    [InlineData("class=\"shoe", "character 7: the quote has no end")]
    [InlineData("class!shoe", "'!' stands before '='")]
    [InlineData("a=\"\\n\"", "a backslash")]
    public void What_cannot_be_read_is_refused_with_its_place(string filter, string because) =>
        Assert.Contains(because, Assert.Throws<IndexException>(() => IndexFilter.Parse(filter)).Message, StringComparison.Ordinal);

    [Fact]
    public void Deep_nesting_is_refused() =>
        Assert.Contains(
            "nested",
            Assert.Throws<IndexException>(() => IndexFilter.Parse(new string('(', 100_000))).Message,
            StringComparison.Ordinal
        );

    [Theory]
    [InlineData("clas=shoe", "is 'class' meant?")]
    [InlineData("class=shoe or colour=red", "no item has the field 'colour'")]
    public void A_field_that_no_item_has_is_refused(string filter, string because)
    {
        var where = IndexFilter.Parse(filter);
        Assert.Contains(because, Assert.Throws<IndexException>(() => index.Items(where)).Message, StringComparison.Ordinal);
        Assert.Contains(
            because,
            Assert.Throws<IndexException>(() => index.Search(Sample.Clustered(1, 2, 3), 1, new() { Where = where })).Message,
            StringComparison.Ordinal
        );
    }
}
